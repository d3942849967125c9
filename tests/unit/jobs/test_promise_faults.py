"""Faults that are planted in the rules of the promise are found by playing at random (`Promise`)."""

from collections.abc import Callable

import pytest
from hypothesis import Phase
from msgspec.structs import replace

from bridge.core.deadline import Deadline
from bridge.jobs.requests.idempotency import IdentityHashes, RequestIdentity
from bridge.jobs.requests.kinds import JobRequest
from bridge.jobs.status import controller_trust, followed_jobs
from bridge.jobs.status.controller_trust import ControllerTrust
from bridge.jobs.status.gone_jobs import GoneJobs
from bridge.jobs.status.job_view import Job
from bridge.jobs.submission import duplicates, recovery, sender
from bridge.slurm.messages import Cancel
from tests.support.memory_gateway import MemoryGateway
from tests.support.promise_machine import play

STEPS = 10_000  # at most
SEED = 16  # each fault is found in the same way each time


def keys_are_everybodys(patch: pytest.MonkeyPatch) -> None:
    """Rule 1: a key belongs to its caller."""
    key_of = IdentityHashes.key_of
    patch.setattr(IdentityHashes, "key_of", lambda hashes, key, _caller: key_of(hashes, key, None))


def a_request_is_everybodys(patch: pytest.MonkeyPatch) -> None:
    """Rule 1: a request is its caller's."""
    identity = IdentityHashes.identity

    def of_nobody(hashes: IdentityHashes, request: JobRequest, key: str, _caller: str | None) -> RequestIdentity:
        return identity(hashes, request, key, None)

    patch.setattr(IdentityHashes, "identity", of_nobody)


def an_id_is_cancelled_whatever_it_is(patch: pytest.MonkeyPatch) -> None:
    """Rule 1: a cancellation names the job that was meant."""

    cancel = MemoryGateway.cancel

    def cancel_the_id(gateway: MemoryGateway, request: Cancel, deadline: Deadline) -> bool:
        job = gateway.find(request.job_id, deadline)
        return job is not None and cancel(gateway, replace(request, submit_time=job.submit_time), deadline)

    patch.setattr(MemoryGateway, "cancel", cancel_the_id)


def duplicates_by_key_alone(patch: pytest.MonkeyPatch) -> None:
    """Rule 1: duplicates are of one request, not only of one key."""

    def of_one_key(jobs: list[Job], _hashes: object) -> list[Job]:
        waiting = [job for job in jobs if job.is_pending]
        return waiting if any(job.state == "RUNNING" for job in jobs) else waiting[1:]

    for module in (recovery, sender):
        patch.setattr(module, "superfluous_duplicates", of_one_key)


def a_copy_counts(patch: pytest.MonkeyPatch) -> None:
    """Rule 1: a bridge has submitted both."""
    patch.setattr(duplicates, "without_copies", list)


def slow_answers_count(patch: pytest.MonkeyPatch) -> None:
    """Rule 2: a slow answer is silence up to its end."""
    patch.setattr(ControllerTrust.__init__, "__defaults__", (controller_trust.SETTLE_SECONDS, 1000.0))


def no_bridge_gives_way(patch: pytest.MonkeyPatch) -> None:
    """Rule 2: after a silence bridges agree on one job."""
    patch.setattr(sender, "CONTESTED_SECONDS", float("-inf"))


def a_limit_is_unknown(patch: pytest.MonkeyPatch) -> None:
    """Rule 2: libslurm may hold a submission back where the controller limits requests."""
    patch.setattr(ControllerTrust, "limits_requests", property(lambda _: False, lambda *_: None), raising=False)


def ended_is_lost(patch: pytest.MonkeyPatch) -> None:
    """Rule 3: a job that was seen to end is not lost."""
    patch.setattr(GoneJobs, "with_key", lambda *_: ())


def comments_alone_tell(patch: pytest.MonkeyPatch) -> None:
    """Rule 4: jobs are followed whatever is done to their comments."""
    patch.setattr(followed_jobs, "_missing", lambda *_: [])


@pytest.mark.parametrize(
    ("plant", "found"),
    [
        (keys_are_everybodys, "was refused for another caller's"),
        (a_request_is_everybodys, "was promised for .*, which has none"),
        (an_id_is_cancelled_whatever_it_is, "was promised, and cancelled"),
        (duplicates_by_key_alone, "was promised, and cancelled"),
        (a_copy_counts, "(was promised|is another program's), and (was )?cancelled"),
        (slow_answers_count, "ran 2 times"),
        (no_bridge_gives_way, "ran 2 times"),
        (a_limit_is_unknown, "ran 2 times|was promised, and cancelled"),
        (ended_is_lost, "ran 2 times"),
        (comments_alone_tell, "ran 2 times|the bridge (does not know|lost sight of) its job"),
    ],
)
def test_a_fault_in_a_rule_is_found(plant: Callable[[pytest.MonkeyPatch], None], found: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        plant(patch)
        with pytest.raises(AssertionError, match=found):
            play(STEPS, SEED, phases=[Phase.generate], print_blob=False)
