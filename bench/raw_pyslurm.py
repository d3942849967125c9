"""The limit: a process that signs and submits as a worker does, as fast as it can, and nothing else.

Usage: python -m bench.raw_pyslurm SECONDS   prints submissions a second
"""

import os
import sys
import time
from pathlib import Path

from bridge.jobs.requests.script import render_job_script
from bridge.slurm.worker.library_words import LibraryWords
from bridge.slurm.worker.main import load_pyslurm, submit
from bridge.slurm.worker.signing import Signature
from tests.support.samples import descriptor

DESCRIPTOR = descriptor(Path("/"), script=render_job_script("qaqc", ("/usr/bin/python3", "/opt/extractor/main.py")))


def main(seconds: float) -> None:
    """Measure and print."""
    conf_path = os.environ["SLURM_CONF"]
    pyslurm = load_pyslurm(conf_path)
    Signature(pyslurm, conf_path).renew_if_due()
    words = LibraryWords()
    count, begun_at = 0, time.perf_counter()
    while time.perf_counter() < begun_at + seconds:
        submit(pyslurm, words, DESCRIPTOR)
        count += 1
    print(count / (time.perf_counter() - begun_at))


if __name__ == "__main__":
    main(float(sys.argv[1]))
