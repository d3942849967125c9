"""Which of the jobs with one key are too many."""

import pytest
from msgspec.structs import replace

from bridge.core.deadline import Deadline
from bridge.jobs.requests.idempotency import IdentityHashes
from bridge.jobs.requests.metadata import JobMetadata
from bridge.jobs.status.job_view import Job
from bridge.jobs.submission.duplicates import superfluous_duplicates, without_copies
from tests.support.memory_gateway import MemoryGateway
from tests.support.samples import HASHES, OUTPUT_FOLDER, bridge_metadata, descriptor


def jobs_of(*metadata: JobMetadata, states: list[str] | None = None) -> list[Job]:
    """Jobs with these comments, with the ids 1, 2, ...; they wait, unless `states` says otherwise."""
    gateway = MemoryGateway()
    snapshot = gateway.find(gateway.submit(descriptor(OUTPUT_FOLDER), Deadline.after(1)), Deadline.after(1))
    assert snapshot is not None
    described = zip(metadata, states or ["PENDING"] * len(metadata), strict=True)
    return [
        Job(replace(snapshot, job_id=str(number), state=state), of_job)
        for number, (of_job, state) in enumerate(described, 1)
    ]


def superfluous(jobs: list[Job]) -> list[str]:
    return [job.id for job in superfluous_duplicates(jobs, HASHES)]


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
def test_the_superfluous_duplicate(states: list[str], cancelled: list[str]) -> None:
    assert superfluous(jobs_of(*(bridge_metadata() for _ in states), states=states)) == cancelled


def test_two_requests_with_one_key_have_a_job_each() -> None:
    jobs = jobs_of(bridge_metadata(digest="d1"), bridge_metadata(digest="d2"), bridge_metadata(digest="d2"))
    assert superfluous(jobs) == ["3"]


@pytest.mark.parametrize("states", [["PENDING", "PENDING"], ["PENDING", "RUNNING"]], ids=["waits", "runs"])
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="copied"),
        pytest.param({"tag": None}, id="without-tag"),
        pytest.param({"tag": "0" * 32}, id="invented-tag"),
        pytest.param({"tag": IdentityHashes(b"another").new_tag("key-1", "digest-1")}, id="of-another-secret"),
    ],
)
def test_a_job_that_no_bridge_submitted_cancels_nothing_and_is_left_alone(
    changes: dict[str, str | None], states: list[str]
) -> None:
    own = bridge_metadata()
    assert superfluous(jobs_of(own, replace(own, **changes), states=states)) == []


def test_copies_are_left_out() -> None:
    first, second, old = bridge_metadata(), bridge_metadata(), bridge_metadata()
    old = replace(old, tag=None)
    assert [job.id for job in without_copies(jobs_of(first, second, first, old, old))] == ["1", "2", "4", "5"]
