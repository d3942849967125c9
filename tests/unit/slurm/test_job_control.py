"""How a worker puts jobs back into the queue, where Slurm refuses a part of it."""

from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from bridge.slurm.messages import Cancelled, Requeue, Requeued, RequeueJobs, RequeueOutcome
from bridge.slurm.singletons import singleton_name
from bridge.slurm.worker import job_control
from tests.support.samples import THING

REFUSED = RequeueOutcome(is_taken=True, code=2025, message="Slurm's words")


class RPCError(Exception):
    """pyslurm's."""

    def __init__(self, errno: int) -> None:
        super().__init__()
        self.errno, self.msg = errno, "Slurm's words"


class FakeSlurm:
    """As much of pyslurm as is needed, with jobs that have ended."""

    RPCError = RPCError
    JobSubmitDescription = dict[str, Any]

    def __init__(self) -> None:
        self.calls: list[tuple[str, int, Any]] = []
        self.refused: set[str] = set()  # changes of these fields
        self.code = REFUSED.code

    def Job(self, number: int) -> SimpleNamespace:  # noqa: N802
        return SimpleNamespace(modify=lambda changes: self._modify(number, changes))

    def requeue(self, job_id: str, *, is_held: bool) -> int:
        self.calls.append(("requeue", int(job_id), is_held))
        return 0

    def _modify(self, number: int, changes: dict[str, Any]) -> None:
        self.calls.append(("modify", number, changes))
        if self.refused & changes.keys():
            raise RPCError(self.code)

    def kill(self, _slurm: object, job_id: str) -> Cancelled:
        self.calls.append(("cancel", int(job_id), None))
        return Cancelled(is_taken=True)


class EndedJob(SimpleNamespace):
    """What is not said of it is `None`."""

    def __getattr__(self, _name: str) -> None:
        return None


@pytest.fixture
def jobs() -> dict[str, EndedJob]:
    return {str(number): EndedJob(id=number, state="FAILED", submit_time=1, name="parse") for number in (17, 18)}


@pytest.fixture
def slurm(jobs: dict[str, EndedJob], monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    slurm = FakeSlurm()
    monkeypatch.setattr(job_control, "load_ended", lambda _slurm, _job_ids: jobs)
    monkeypatch.setattr(job_control, "_requeue", slurm.requeue)
    monkeypatch.setattr(job_control, "_kill", slurm.kill)
    return slurm


def requeue(slurm: Any, **changes: Any) -> tuple[RequeueOutcome, ...]:
    reply = job_control.requeue(slurm, RequeueJobs(tuple(Requeue(job_id, "", 1, **changes) for job_id in ("17", "18"))))
    assert isinstance(reply, Requeued)
    return reply.outcomes


@pytest.mark.parametrize("changes", [{"begin_time": 5}, {"dependency": "afterok:16"}, {"memory_max_mib": 200}])
def test_a_refused_change_is_told_of_each_job(
    slurm: FakeSlurm, jobs: dict[str, EndedJob], changes: dict[str, Any]
) -> None:
    for job in jobs.values():
        job.memory_per_node = 100
    slurm.refused = {"begin_time", "dependencies", "memory_per_node"}
    assert requeue(slurm, **changes) == (REFUSED, REFUSED)
    assert [call[:2] for call in slurm.calls] == [("requeue", 17), ("modify", 17), ("requeue", 18), ("modify", 18)]


def test_one_that_follows_a_forgotten_job_does_not_stay_held(slurm: FakeSlurm, jobs: dict[str, EndedJob]) -> None:
    jobs["18"].state, jobs["18"].state_reason = "PENDING", "job requeued in held state"  # maybe by an administrator
    slurm.refused, slurm.code = {"dependencies"}, 2038
    outcomes = requeue(slurm, dependency="afterok:16")
    assert outcomes == (RequeueOutcome(is_taken=False, code=2038, message="Slurm's words"),) * 2
    assert [call[:2] for call in slurm.calls] == [("requeue", 17), ("modify", 17), ("cancel", 17), ("modify", 18)]


def test_one_with_a_dependency_is_held_until_it_has_that(slurm: FakeSlurm, jobs: dict[str, EndedJob]) -> None:
    jobs["18"].name = singleton_name(UUID(THING))
    assert requeue(slurm, begin_time=5) == (RequeueOutcome(is_taken=True),) * 2
    assert slurm.calls == [
        ("requeue", 17, False),
        ("modify", 17, {"begin_time": 5}),
        ("requeue", 18, True),
        ("modify", 18, {"begin_time": 5, "dependencies": "singleton", "priority": 0xFFFFFFFF}),
    ]


def test_one_that_was_left_held_gets_its_dependency(slurm: FakeSlurm, jobs: dict[str, EndedJob]) -> None:
    jobs["17"].state, jobs["17"].state_reason = "PENDING", "job requeued in held state"
    jobs["18"].state, jobs["18"].state_reason = "PENDING", "JobHeldUser"
    outcomes = requeue(slurm, dependency="afterok:16")
    assert [outcome.is_taken for outcome in outcomes] == [True, False]
    assert slurm.calls == [("modify", 17, {"dependencies": "afterok:16", "priority": 0xFFFFFFFF})]


def test_one_that_is_held_and_needs_no_dependency_was_held_by_another(
    slurm: FakeSlurm, jobs: dict[str, EndedJob]
) -> None:
    jobs["17"].state, jobs["17"].state_reason = "PENDING", "job requeued in held state"
    outcomes = requeue(slurm, begin_time=5)
    assert [outcome.is_taken for outcome in outcomes] == [False, True]
    assert [call[:2] for call in slurm.calls] == [("requeue", 18), ("modify", 18)]
