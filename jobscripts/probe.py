"""Tell whether the extractor would start on a compute node, in place of launch.py: for `tsm-bridge doctor --probe`.

Read from standard input as `python - COMMAND PROGRAM`, like launch.py. Any Python 3 will do.
"""

import os
import sys


def main() -> None:
    """Print that the program can be read, or end with what is wrong."""
    program = sys.argv[2]
    if not os.access(program, os.R_OK):
        sys.exit(f"the extractor's program {program} cannot be read on {os.uname().nodename}")
    print(f"the extractor's program {program} can be read on {os.uname().nodename}")


if __name__ == "__main__":
    main()
