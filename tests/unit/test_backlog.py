"""How many jobs may wait."""

import pytest

from bridge import backlog as backlog_module
from bridge.backlog import Backlog
from bridge.deadline import Deadline
from bridge.errors import TooManyRequestsError
from bridge.slurm import board as board_module
from bridge.slurm.board import Board
from tests.support.memory_gateway import MemoryGateway
from tests.support.samples import OUTPUT_FOLDER, descriptor


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board_module, "SETTLE_SECONDS", 0.0)


def submit(gateway: MemoryGateway, backlog: Backlog) -> str:
    backlog.admit(Deadline.after(1))
    return gateway.submit(descriptor(OUTPUT_FOLDER), Deadline.after(1))


@pytest.mark.parametrize("age_seconds", [0.0, 60.0], ids=["looked-at-each-time", "counted-since-the-last-look"])
def test_the_limit_counts_all_that_wait(monkeypatch: pytest.MonkeyPatch, age_seconds: float) -> None:
    monkeypatch.setattr(backlog_module, "COUNT_AGE_SECONDS", age_seconds)
    gateway = MemoryGateway()
    gateway.submit(descriptor(OUTPUT_FOLDER), Deadline.after(1))  # another bridge's
    backlog = Backlog(Board(gateway, 8), limit=3)
    for _ in range(2):
        submit(gateway, backlog)
    with pytest.raises(TooManyRequestsError, match="max_pending_jobs"):
        submit(gateway, backlog)


def test_a_job_that_has_started_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog_module, "COUNT_AGE_SECONDS", 0.0)
    gateway = MemoryGateway()
    backlog = Backlog(Board(gateway, 8), limit=1)
    job_id = submit(gateway, backlog)
    with pytest.raises(TooManyRequestsError):
        submit(gateway, backlog)
    gateway.put(job_id, {"state": "RUNNING"})
    submit(gateway, backlog)


def test_without_a_limit_nobody_is_asked() -> None:
    gateway = MemoryGateway()
    gateway.is_dead = True
    Backlog(Board(gateway, 8), limit=None).admit(Deadline.after(1))
