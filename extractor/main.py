"""Entry point: `python extractor/main.py …`, or `runpy.run_path(".../extractor/main.py", run_name="__main__")`."""

import sys
from pathlib import Path

if __name__ == "__main__":
    # Neither way of starting puts the folder above this one, from which `extractor` is imported, on the path.
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

    from extractor.cli import main

    sys.exit(main(sys.argv[1:]))
