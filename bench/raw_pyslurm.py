"""The limit: a process that signs and submits as a worker does, as fast as it can, and nothing else.

Usage: python -m bench.raw_pyslurm SECONDS   prints submissions a second
"""

import os
import sys
import time
from pathlib import Path

from bridge.rendering import render_job_script
from bridge.slurm.signing import Signature
from bridge.slurm.worker import load_pyslurm, submit
from tests.support.samples import descriptor

DESCRIPTOR = descriptor(Path("/"), script=render_job_script("qaqc", ("/usr/bin/python3", "/opt/extractor/main.py")))


def main(seconds: float) -> None:
    """Measure and print."""
    conf_path = os.environ["SLURM_CONF"]
    pyslurm = load_pyslurm(conf_path)
    Signature(pyslurm, conf_path).renew()
    count, begun_at = 0, time.perf_counter()
    while time.perf_counter() < begun_at + seconds:
        submit(pyslurm, DESCRIPTOR)
        count += 1
    print(count / (time.perf_counter() - begun_at))


if __name__ == "__main__":
    main(float(sys.argv[1]))
