"""When two submissions are the same request: key, request and caller, and jobs of older releases."""

import hashlib
from uuid import UUID

import pytest
from msgspec.structs import replace

from bridge.core.errors import InvalidRequestError
from bridge.jobs.requests.idempotency import IdentityHashes, RequestIdentity, submission_key
from bridge.jobs.requests.kinds import QaqcRequest
from bridge.jobs.requests.metadata import JobMetadata
from tests.support.samples import HASHES, THING

REQUEST = QaqcRequest.model_construct(target="sqlite:////a.db", thing_uuid=UUID(THING))
ANOTHER = QaqcRequest.model_construct(target="sqlite:////b.db", thing_uuid=UUID(THING))
ALICE = HASHES.identity(REQUEST, "2026-11-28-0", "alice")


def job_of(identity: RequestIdentity) -> JobMetadata:
    tag = HASHES.new_tag(identity.key, identity.digest)
    return JobMetadata("qaqc", UUID(THING), "request-1", identity.key, identity.digest, by=identity.caller, tag=tag)


def job_of_an_older_release(by: str | None, secret: bytes = b"secret") -> JobMetadata:
    digest = hashlib.blake2b(key=hashlib.blake2b(secret).digest(), digest_size=16)
    digest.update(f"qaqc{REQUEST.model_dump_json(exclude_none=True)}".encode())
    return JobMetadata("qaqc", UUID(THING), "request-1", "2026-11-28-0", digest.hexdigest(), by=by)


@pytest.mark.parametrize(
    ("job", "has_key", "is_same"),
    [
        pytest.param(job_of(ALICE), True, True, id="same"),
        pytest.param(job_of(HASHES.identity(ANOTHER, "2026-11-28-0", "alice")), True, False, id="another-request"),
        pytest.param(job_of(HASHES.identity(REQUEST, "2026-11-28-0", "bob")), False, False, id="another-caller"),
        pytest.param(job_of(HASHES.identity(REQUEST, "2026-11-28-0", None)), False, False, id="no-caller"),
        pytest.param(job_of(HASHES.identity(REQUEST, "2026-11-28-1", "alice")), False, False, id="another-key"),
        pytest.param(job_of_an_older_release("alice"), True, True, id="older-release"),
        pytest.param(job_of_an_older_release("alice", b"other"), True, False, id="older-release-another-request"),
        pytest.param(job_of_an_older_release("bob"), False, False, id="older-release-another-caller"),
    ],
)
def test_whose_job_it_is(job: JobMetadata, has_key: bool, is_same: bool) -> None:
    assert (ALICE.has_key_of(job), ALICE.is_of(job)) == (has_key, is_same)


def test_the_key_of_a_comment_is_no_key_for_clients() -> None:
    assert not HASHES.identity(REQUEST, ALICE.key, "bob").has_key_of(job_of(ALICE))


@pytest.mark.parametrize("offered", ["k1", '"k1"'], ids=["plain", "quoted"])
def test_a_key_may_stand_in_quotes(offered: str) -> None:
    assert submission_key(offered) == "k1"


@pytest.mark.parametrize("offered", ['"', '""', '"k1', 'k1"', '"k 1"', '""k1""'])
def test_odd_quotes_are_refused(offered: str) -> None:
    with pytest.raises(InvalidRequestError):
        submission_key(offered)


def test_a_comment_tells_neither_key_nor_request() -> None:
    comment = job_of(ALICE).to_json()
    assert "2026-11-28" not in comment
    assert job_of(IdentityHashes(b"another").identity(REQUEST, "2026-11-28-0", "alice")).to_json() != comment


def test_each_attempt_has_a_tag_of_its_own_that_only_a_bridge_can_make() -> None:
    first, second = job_of(ALICE), job_of(ALICE)
    assert first.tag != second.tag
    assert HASHES.has_made(first)
    assert not IdentityHashes(b"another").has_made(first)
    assert not HASHES.has_made(replace(first, digest=second.key))
