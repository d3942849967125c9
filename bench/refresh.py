"""Whether the web process or the worker that looks at the queue grows with the number of looks.

Usage, as root in the box: ./container/shell python -m bench.refresh [--looks 500]
"""

import argparse
import os
import subprocess
import sys

from bench.soak import proportional_mib
from bench.status import JOBS_LONG, fill
from bench.submit import fresh_slurm
from bridge.core.deadline import Deadline
from bridge.jobs.status.controller_trust import ControllerTrust
from bridge.jobs.status.ledger import SubmissionLedger
from bridge.jobs.status.queue_cache import QueueCache
from bridge.jobs.status.watched_gateway import WatchedGateway
from bridge.slurm.client.slurm_gateway import SlurmGateway
from tests.support.bridge_process import ROOT, SERVICE_USER, children_of

ROUNDS = 5


def look(looks: int) -> None:
    """Look so often, and print the memory in between."""
    gateway, trust = SlurmGateway(slurm_conf_path=None, workers=1), ControllerTrust()
    gateway.start()
    cache = QueueCache(WatchedGateway(gateway, trust), SubmissionLedger(), trust, max_waiting=1)
    print("| looks | this process MiB | workers MiB |\n|---|---|---|")
    for number in range(1, ROUNDS + 1):
        for _ in range(looks // ROUNDS):
            cache.take_trusted_look(Deadline.after(60))
        workers = " ".join(f"{proportional_mib(pid):.1f}" for pid in children_of(os.getpid()))
        print(f"| {number * (looks // ROUNDS)} | {proportional_mib(os.getpid()):.1f} | {workers} |", flush=True)
    gateway.close()


def main() -> None:
    """Fill a queue, and look at it as the service's user."""
    parser = argparse.ArgumentParser(prog="python -m bench.refresh")
    parser.add_argument("--looks", type=int, default=500)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        look(options.looks)
        return
    with fresh_slurm() as (slurm, _):
        fill(slurm, JOBS_LONG)
        print(f"{JOBS_LONG:,} jobs in the queue", flush=True)
        subprocess.run(
            [sys.executable, "-m", "bench.refresh", "--inside", "--looks", str(options.looks)],
            cwd=ROOT,
            env={**slurm.environment, "PYTHONDONTWRITEBYTECODE": "1"},
            user=SERVICE_USER,
            group=SERVICE_USER,
            extra_groups=[],
            check=True,
        )


if __name__ == "__main__":
    main()
