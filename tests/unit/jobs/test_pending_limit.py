"""How many jobs may wait."""

import pytest

from bridge.core.deadline import Deadline
from bridge.core.errors import TooManyRequestsError
from bridge.jobs.status.controller_trust import ControllerTrust
from bridge.jobs.status.ledger import SubmissionLedger
from bridge.jobs.status.queue_cache import QueueCache
from bridge.jobs.status.watched_gateway import WatchedGateway
from bridge.jobs.submission.pending_limit import PendingLimit
from tests.support.memory_gateway import MemoryGateway
from tests.support.samples import OUTPUT_FOLDER, descriptor


def pending_limit(gateway: MemoryGateway, limit: int | None, count_age_seconds: float = 0.0) -> PendingLimit:
    ledger, trust = SubmissionLedger(), ControllerTrust(0.0)
    cache = QueueCache(WatchedGateway(gateway, trust), ledger, trust, max_waiting=8)
    return PendingLimit(cache, ledger, limit, count_age_seconds=count_age_seconds)


def submit(gateway: MemoryGateway, limit: PendingLimit) -> str:
    limit.admit(Deadline.after(1))
    return gateway.submit(descriptor(OUTPUT_FOLDER), Deadline.after(1))


@pytest.mark.parametrize("age_seconds", [0.0, 60.0], ids=["looked-at-each-time", "counted-since-the-last-look"])
def test_the_limit_counts_all_that_wait(age_seconds: float) -> None:
    gateway = MemoryGateway()
    gateway.submit(descriptor(OUTPUT_FOLDER), Deadline.after(1))  # another bridge's
    limit = pending_limit(gateway, 3, age_seconds)
    for _ in range(2):
        submit(gateway, limit)
    with pytest.raises(TooManyRequestsError, match="max_pending_jobs"):
        submit(gateway, limit)


def test_a_job_that_has_started_makes_room() -> None:
    gateway = MemoryGateway()
    limit = pending_limit(gateway, 1)
    job_id = submit(gateway, limit)
    with pytest.raises(TooManyRequestsError):
        submit(gateway, limit)
    gateway.put(job_id, {"state": "RUNNING"})
    submit(gateway, limit)


def test_without_a_limit_slurm_is_not_asked() -> None:
    gateway = MemoryGateway()
    gateway.is_dead = True
    pending_limit(gateway, None).admit(Deadline.after(1))
