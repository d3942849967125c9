#!/bin/bash
# Kind "parse": reads a raw file into the datastore of a thing. The same text for every job of the kind: what was asked
# for stands in the job's environment (TSM_*), so that no listing of jobs, scripts or processes shows it.
set -eu
exec /opt/extractor/bin/python - parse /opt/extractor/main.py <<'LAUNCHER'
"""Start the extractor with what the job's environment holds as its arguments, in this very process.

Read from standard input as `python - COMMAND PROGRAM`: it needs no file on the compute node, and `ps` shows only these
words. Python's standard library is all it uses; any Python 3 of an extractor's environment will do.
"""

import os
import runpy
import sys

# The extractor's option for each variable of a request. Those with variables of their own (MQTT_*, VERBOSE) need none.
OPTIONS = {
    "TSM_PARSER": "--parser",
    "TSM_TARGET": "--target-uri",
    "TSM_SOURCE": "--source",
    "TSM_THING_UUID": "--device-id",
}


def main() -> None:
    """Take the request out of the environment, where child processes would inherit it, and run the extractor."""
    _, command, program = sys.argv
    # As `python PROGRAM` has it; a program from standard input would look for modules in the working folder first.
    sys.path[0] = os.path.dirname(os.path.abspath(program))  # noqa: PTH100, PTH120 - import no more than need be
    arguments = [command]
    for variable, option in OPTIONS.items():
        value = os.environ.pop(variable, None)
        if value is not None:
            arguments.append(f"{option}={value}")
    sys.argv = [program, *arguments]
    runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    main()
LAUNCHER
