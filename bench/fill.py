"""Fill a queue with jobs of the bridge, each of a request of its own.

Usage: python -m bench.fill COUNT
"""

import os
import sys
from pathlib import Path

from bridge.slurm.messages import Submitted
from bridge.slurm.worker.library_words import LibraryWords
from bridge.slurm.worker.main import load_pyslurm, submit
from bridge.slurm.worker.signing import Signature
from tests.support.samples import descriptor


def main(count: int) -> None:
    """Submit; prints the id of each job."""
    conf_path = os.environ["SLURM_CONF"]
    pyslurm = load_pyslurm(conf_path)
    Signature(pyslurm, conf_path).renew_if_due()
    words = LibraryWords()
    for _ in range(count):
        reply = submit(pyslurm, words, descriptor(Path("/")))
        if not isinstance(reply, Submitted):
            raise SystemExit(f"not submitted: {reply}")
        print(reply.job_id)


if __name__ == "__main__":
    main(int(sys.argv[1]))
