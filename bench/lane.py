"""How long live jobs wait for their start beside a backfill of ten thousand jobs in the lane `bulk`, and without it.

Usage, as root in the box: ./container/shell python -m bench.lane [--rounds 3] [--seconds 60]

Two nodes of four CPUs, of which one is for the backfill too (`batch.bulk_partition`). Its jobs sleep for two seconds,
as those that wait for a datastore. A live job is submitted every half second, and writes down when it runs: its wait is
from the request to that. The ratio is the median of the rounds' ratios.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.submit import SETTLE_SECONDS
from bridge.client import Bridge
from tests.support.bridge_process import owned_folder, running_bridge, service_environment
from tests.support.private_slurm import DEFAULT_PARTITIONS, PrivateSlurm
from tests.support.samples import PARSE_BODY, QAQC_BODY
from tests.support.waiting import wait_until

JOBS, BATCHES = 10_000, 10
PARTITIONS = (*DEFAULT_PARTITIONS, "PartitionName=bulk Nodes=n1 State=UP MaxTime=INFINITE")
PAUSE_SECONDS = 0.5
BACKFILL = "import time; time.sleep(2)"
LIVE = """
import os, time
now = time.time()
with open("{folder}/" + os.environ["SLURM_JOB_ID"], "w") as file:
    file.write(str(now))
"""


@contextmanager
def running_service(folder: Path) -> Iterator[tuple[Bridge, Path]]:
    """A client of it, and the folder in which live jobs say when they ran."""
    folder.chmod(0o755)
    (folder / "slurm").mkdir()
    started = owned_folder(folder / "started")
    (folder / "backfill.py").write_text(BACKFILL)
    (folder / "live.py").write_text(LIVE.format(folder=started))
    limits = {"MaxJobCount": "100000"}
    with PrivateSlurm(folder / "slurm", nodes=2, overrides=limits, partitions=PARTITIONS, cpus=4) as slurm:
        environment = {
            **service_environment(slurm, folder, ["/usr/bin/python3", str(folder / "live.py")]),
            "BRIDGE_PARSE__EXTRACTOR_COMMAND": json.dumps(["/usr/bin/python3", str(folder / "backfill.py")]),
            "BRIDGE_BATCH__BULK_PARTITION": "bulk",
        }
        with running_bridge(folder, environment) as running:
            time.sleep(SETTLE_SECONDS)
            yield Bridge(running.url), started


def p95_seconds(seconds: int, *, has_backfill: bool) -> float:
    """The wait that 95 % of the live jobs do not exceed."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-", dir="/dev/shm") as name,
        running_service(Path(name)) as (client, started),
    ):
        for _ in range(BATCHES if has_backfill else 0):
            client.submit_batch("parse", [PARSE_BODY] * (JOBS // BATCHES), lane="bulk")
        submitted_at: dict[str, float] = {}
        ends_at_seconds = time.monotonic() + seconds
        while time.monotonic() < ends_at_seconds:
            now = time.time()
            job = client.submit_qaqc(target=QAQC_BODY["target"], thing_uuid=QAQC_BODY["thing_uuid"])
            submitted_at[job.job_id] = now
            time.sleep(PAUSE_SECONDS)
        wait_until(lambda: len(list(started.iterdir())) == len(submitted_at), "all live jobs have run", 60)
        waits = [float((started / job_id).read_text()) - at for job_id, at in submitted_at.items()]
    return statistics.quantiles(waits, n=20)[-1]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.lane")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=60, help="of live jobs for each measurement (default: 60)")
    options = parser.parse_args()
    rounds = []
    for number in range(1, options.rounds + 1):
        alone, beside = (p95_seconds(options.seconds, has_backfill=is_beside) for is_beside in (False, True))
        print(f"round {number} of {options.rounds}: {alone:.2f} s, {beside:.2f} s", file=sys.stderr)
        rounds.append((alone, beside))
    alone, beside = (statistics.median(values) for values in zip(*rounds, strict=True))
    ratio = statistics.median(beside / alone for alone, beside in rounds)
    print(f"live jobs, p95 of the wait: {alone:.2f} s alone, {beside:.2f} s beside {JOBS:,} others ({ratio:.2f}x)")


if __name__ == "__main__":
    main()
