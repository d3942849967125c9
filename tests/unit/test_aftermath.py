"""Which twin has to go, and what a crash of the controller costs."""

import time
from uuid import UUID, uuid4

import pytest

from bridge import aftermath
from bridge.aftermath import Aftermath, superfluous
from bridge.comments import JobComment
from bridge.deadline import Deadline
from bridge.keys import KeysAtWork
from bridge.slurm import board as board_module
from bridge.slurm.board import Board
from bridge.slurm.picture import BoardJob
from tests.support.memory_gateway import MemoryGateway
from tests.support.samples import OUTPUT_FOLDER, THING, descriptor


def twins(*states: str) -> list[BoardJob]:
    gateway = MemoryGateway()
    comment = JobComment("parse", UUID(THING), "request-1", "key-1", "digest-1")
    job_id = gateway.submit(descriptor(OUTPUT_FOLDER), Deadline.after(1))
    snapshot = gateway.find(job_id, Deadline.after(1))
    assert snapshot is not None
    return [
        BoardJob(snapshot._replace(job_id=str(number), state=state), comment) for number, state in enumerate(states, 1)
    ]


@pytest.mark.parametrize(
    ("states", "cancelled"),
    [
        pytest.param(["PENDING", "PENDING"], ["2"], id="both-wait"),
        pytest.param(["PENDING", "PENDING", "PENDING"], ["2", "3"], id="three-wait"),
        pytest.param(["RUNNING", "PENDING"], ["2"], id="first-runs"),
        pytest.param(["PENDING", "RUNNING"], ["1"], id="second-runs"),
        pytest.param(["COMPLETED", "PENDING"], ["2"], id="first-has-ended"),
        pytest.param(["RUNNING", "RUNNING"], [], id="too-late"),
        pytest.param(["CANCELLED", "PENDING"], [], id="done-already"),
    ],
)
def test_the_superfluous_twin(states: list[str], cancelled: list[str]) -> None:
    assert [job.snapshot.job_id for job in superfluous(twins(*states))] == cancelled


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aftermath, "PAUSE_MIN_SECONDS", 0.02)
    monkeypatch.setattr(aftermath, "PAUSE_MAX_SECONDS", 0.02)
    monkeypatch.setattr(board_module, "SETTLE_SECONDS", 0.05)


@pytest.mark.usefixtures("fast")
def test_a_late_twin_is_cancelled() -> None:
    gateway = MemoryGateway()
    twin = descriptor(OUTPUT_FOLDER)
    ids = [gateway.submit(twin, Deadline.after(1)) for _ in range(2)]
    watch = Aftermath(gateway, Board(gateway, 8), KeysAtWork())
    watch.start()
    assert [state_within(gateway, job_id, "CANCELLED") for job_id in ids] == [False, True]
    watch.close()


@pytest.mark.usefixtures("fast")
def test_a_job_that_the_controller_lost_is_submitted_again_and_once() -> None:
    gateway = MemoryGateway()
    watch = Aftermath(gateway, Board(gateway, 8), KeysAtWork())
    watch.start()
    comment = JobComment("parse", UUID(THING), "request-1", uuid4().hex, "digest-1", by="dispatcher")
    job = descriptor(OUTPUT_FOLDER, comment=comment.to_json())
    watch.note_accepted(job, comment, gateway.submit(job, Deadline.after(1)))
    time.sleep(0.3)
    gateway.crash()
    time.sleep(0.5)
    there = [gateway.find(job_id, Deadline.after(1)) for job_id in gateway.descriptors]
    assert [found.comment for found in there if found is not None] == [job.comment]
    watch.close()


@pytest.mark.usefixtures("fast")
def test_a_job_that_was_cancelled_and_then_lost_stays_so() -> None:
    gateway = MemoryGateway()
    watch = Aftermath(gateway, Board(gateway, 8), KeysAtWork())
    watch.start()
    comment = JobComment("parse", UUID(THING), "request-1", uuid4().hex, "digest-1")
    job = descriptor(OUTPUT_FOLDER, comment=comment.to_json())
    job_id = gateway.submit(job, Deadline.after(1))
    watch.note_accepted(job, comment, job_id)
    time.sleep(0.3)
    watch.note_cancelled(job_id, comment.key)
    gateway.crash()
    time.sleep(0.5)
    assert list(gateway.descriptors) == [job_id]
    watch.close()


@pytest.mark.usefixtures("fast")
def test_a_lost_job_that_is_refused_does_not_hold_up_the_others() -> None:
    gateway = MemoryGateway()
    watch = Aftermath(gateway, Board(gateway, 8), KeysAtWork())
    watch.start()
    jobs = []
    for partition in ("nowhere", None):
        comment = JobComment("parse", UUID(THING), "request-1", uuid4().hex, "digest-1")
        jobs.append(descriptor(OUTPUT_FOLDER, comment=comment.to_json(), partition=partition))
        watch.note_accepted(jobs[-1], comment, "1")
    time.sleep(0.3)
    gateway.crash()
    time.sleep(0.5)
    assert [job.comment for job in gateway.descriptors.values()] == [jobs[1].comment]
    watch.close()


def state_within(gateway: MemoryGateway, job_id: str, state: str, seconds: float = 1.0) -> bool:
    deadline = Deadline.after(seconds)
    while deadline.remaining_seconds:
        job = gateway.find(job_id, Deadline.after(1))
        if job is not None and job.state == state:
            return True
        time.sleep(0.02)
    return False
