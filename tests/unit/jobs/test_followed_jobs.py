"""Jobs whose comments are gone: the worker goes on showing them, and one that replaces it is told of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from bridge.core.deadline import Deadline
from bridge.jobs.requests.metadata import JobMetadata
from bridge.jobs.status.followed_jobs import QueueLoader
from bridge.jobs.status.ledger import SubmissionLedger
from bridge.jobs.status.queue_snapshot import QueueSnapshot
from bridge.slurm.messages import FollowedJob, QueueChange
from tests.support.memory_gateway import MemoryGateway
from tests.support.samples import OUTPUT_FOLDER, bridge_metadata, descriptor


class ToldGateway(MemoryGateway):
    """Writes down what each look was told to follow."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[Sequence[FollowedJob]] = []

    def queue(self, deadline: Deadline, followed: Sequence[FollowedJob] = ()) -> QueueChange:
        """See `Gateway`."""
        self.told.append(followed)
        return super().queue(deadline, followed)


@dataclass
class Looks:
    """Looks at a queue, one after the other."""

    gateway: ToldGateway = field(default_factory=ToldGateway)
    ledger: SubmissionLedger = field(default_factory=SubmissionLedger)
    snapshot: QueueSnapshot = field(default_factory=QueueSnapshot)

    def submit(self) -> tuple[str, JobMetadata]:
        metadata = bridge_metadata()
        job = descriptor(OUTPUT_FOLDER, comment=metadata.to_json())
        return self.gateway.submit(job, Deadline.after(1)), metadata

    def look(self) -> None:
        loader = QueueLoader(self.gateway, self.ledger, lambda _snapshot, _metadata: False)
        change, jobs = loader.load(self.snapshot, Deadline.after(1))
        self.snapshot.apply(change, jobs, 1.0)

    def shows(self, job_id: str, metadata: JobMetadata) -> bool:
        view = self.snapshot.in_queue(job_id)
        return view is not None and view.job.metadata == metadata


@pytest.fixture
def looks() -> Looks:
    return Looks()


@pytest.mark.parametrize("is_new_worker", [False, True], ids=["same-worker", "new-worker"])
def test_a_job_whose_comment_is_gone_is_shown(looks: Looks, is_new_worker: bool) -> None:
    job_id, metadata = looks.submit()
    other_id, other = looks.submit()
    looks.look()
    looks.gateway.put(job_id, {"comment": "x", "state": "RUNNING"})
    if is_new_worker:
        looks.gateway.tell_all_again()
    for _ in range(2):
        looks.look()
        assert looks.shows(job_id, metadata)
        assert looks.shows(other_id, other)


def test_another_job_with_its_id_is_not(looks: Looks) -> None:
    job_id, _ = looks.submit()
    looks.look()
    looks.gateway.put(job_id, {"comment": "x", "submit_time": 17})
    looks.look()
    assert looks.snapshot.in_queue(job_id) is None


def test_a_worker_is_not_told_what_it_has_shown(looks: Looks) -> None:
    for _ in range(3):
        looks.submit()
    looks.look()
    looks.look()
    looks.gateway.tell_all_again()
    looks.look()
    assert looks.gateway.told == [[], [], []]
