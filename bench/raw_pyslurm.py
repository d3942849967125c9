"""The limit: a process that signs and submits as a worker does, as fast as it can, and nothing else.

Usage: python -m bench.raw_pyslurm SECONDS   prints submissions a second
"""

import os
import sys
import time

from bridge.rendering import render_job_script
from bridge.slurm.messages import JobDescriptor, Submit
from bridge.slurm.signing import Signature
from bridge.slurm.worker import load_pyslurm, submit

DESCRIPTOR = JobDescriptor(
    name="qaqc",
    script=render_job_script("qaqc", ("/usr/bin/python3", "/opt/extractor/main.py")),
    environment={"PATH": "/usr/bin:/bin", "TSM_THING_UUID": "ce2b4fb6-d9de-11eb-a236-125e5a40a845"},
    comment='{"kind":"qaqc","thing":"ce2b4fb6-d9de-11eb-a236-125e5a40a845","req":"1"}',
    working_folder="/",
    stdout_path="/dev/null",
    stderr_path="/dev/null",
    partition=None,
    account=None,
    qos=None,
    time_limit_minutes=None,
    memory_mib=None,
    cpus=1,
    nice=0,
)


def main(seconds: float) -> None:
    """Measure and print."""
    conf_path = os.environ["SLURM_CONF"]
    pyslurm = load_pyslurm(conf_path)
    Signature(pyslurm, conf_path).renew()
    count, begun_at = 0, time.perf_counter()
    while time.perf_counter() < begun_at + seconds:
        submit(pyslurm, Submit(DESCRIPTOR))
        count += 1
    print(count / (time.perf_counter() - begun_at))


if __name__ == "__main__":
    main(float(sys.argv[1]))
