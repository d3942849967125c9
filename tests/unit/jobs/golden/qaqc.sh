#!/bin/bash
# Kind "qaqc": quality control of the data of a thing. The same text for every job of the kind: what was asked for
# stands in the job's environment (TSM_*), so that no listing of jobs, scripts or processes shows it.
set -eu
exec /opt/extractor/bin/python - run-qaqc /opt/extractor/main.py <<'LAUNCHER'
(jobscripts/launch.py)
LAUNCHER
