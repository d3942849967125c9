"""What a scrape of `/metrics` costs with many jobs in the queue: `python -m bench.scrape [JOBS]`. Needs no Slurm."""

import statistics
import sys
import time
from pathlib import Path
from uuid import UUID, uuid4

from bridge.jobs.requests.metadata import JobMetadata
from bridge.services import Services
from bridge.slurm.messages import JobSnapshot, QueueChange
from tests.support.memory_gateway import MemoryGateway
from tests.support.samples import THING, settings

SCRAPES = 50
STATES = ("PENDING", "PENDING", "RUNNING", "COMPLETED", "FAILED")


class _FullGateway(MemoryGateway):
    def __init__(self, jobs: int) -> None:
        super().__init__()
        self._change = QueueChange(is_full=True, jobs=tuple(map(_job, range(1, jobs + 1))), gone=())

    def queue(self, _deadline: object, _followed: object = ()) -> QueueChange:
        """All jobs, each time."""
        return self._change


def _job(number: int) -> JobSnapshot:
    comment = JobMetadata("parse" if number % 3 else "qaqc", UUID(THING), "request", uuid4().hex, "digest").to_json()
    state = STATES[number % len(STATES)]
    return JobSnapshot(
        job_id=str(number),
        comment=comment,
        state=state,
        state_reason=f"Reason{number % 12}",
        exit_code=0,
        signal=0,
        submit_time=1,
        start_time=2,
        end_time=3,
        nodes=None if state == "PENDING" else "n1",
        partition="normal",
        restarts=0,
    )


def main(jobs: int) -> None:
    """Print the median and the longest of some scrapes."""
    services = Services.of(settings(output_folder=Path("/tmp")), _FullGateway(jobs), b"secret")  # noqa: S108
    services.cache.start()
    while not services.cache.looked_at:
        time.sleep(0.01)
    services.cache.close()
    milliseconds = []
    for _ in range(SCRAPES):
        begun_at = time.perf_counter()
        text = services.metrics.text()
        milliseconds.append(1000 * (time.perf_counter() - begun_at))
    lines = len([line for line in text.splitlines() if not line.startswith(b"#")])
    print(
        f"{jobs} jobs, {lines} series: median {statistics.median(milliseconds):.2f} ms, most {max(milliseconds):.2f} ms"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
