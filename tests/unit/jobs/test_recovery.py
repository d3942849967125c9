"""Duplicates that come late, and what a crash of the controller costs."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace

from bridge.core.deadline import Deadline
from bridge.core.key_locks import KeyLocks
from bridge.jobs.requests.metadata import JobMetadata
from bridge.jobs.status.controller_trust import ControllerTrust
from bridge.jobs.status.job_view import own_jobs
from bridge.jobs.status.ledger import SubmissionLedger
from bridge.jobs.status.past_jobs import PastJobs
from bridge.jobs.status.queue_cache import QueueCache
from bridge.jobs.status.watched_gateway import WatchedGateway
from bridge.jobs.submission.cancellation import RecentCancellations
from bridge.jobs.submission.chain_recovery import ChainRecovery, OpenChains
from bridge.jobs.submission.key_history import KeyHistory
from bridge.jobs.submission.known_jobs import KnownJobs
from bridge.jobs.submission.recovery import JobRecovery, RecoveryPauses
from bridge.jobs.submission.sender import JobSender
from bridge.slurm.job_ids import ids_of
from bridge.slurm.messages import JobDescriptor
from tests.support.memory_gateway import MemoryGateway
from tests.support.samples import HASHES, OUTPUT_FOLDER, THING, bridge_metadata, descriptor
from tests.support.waiting import wait_until


@dataclass(frozen=True)
class Watched:
    """A gateway that a recovery watches, and the ledger that it goes by."""

    gateway: MemoryGateway
    ledger: SubmissionLedger
    cache: QueueCache
    trust: ControllerTrust
    recovery: JobRecovery

    def accept(self, job: JobDescriptor, metadata: JobMetadata, job_id: str) -> None:
        """The controller has accepted the job and said since when it runs."""
        wait_until(lambda: self.trust.booted_at, "the controller says when it was started")
        self.ledger.accept(job, metadata, job_id, self.trust.booted_at)
        self.recovery.wake()

    def submit(self, **changes: object) -> tuple[JobDescriptor, JobMetadata, str]:
        """Submit a job with a key of its own."""
        metadata = JobMetadata("parse", UUID(THING), "request-1", uuid4().hex, "digest-1", by="dispatcher")
        job = descriptor(OUTPUT_FOLDER, comment=metadata.to_json(), **changes)
        job_id = self.gateway.submit(job, Deadline.after(1))
        self.accept(job, metadata, job_id)
        return job, metadata, job_id

    def look(self) -> None:
        """A look at the queue, as for a reader."""
        self.cache.take_look(Deadline.after(10))

    def keys(self) -> list[str]:
        """Of the jobs that are there."""
        there = [self.gateway.find(job_id, Deadline.after(1)) for job_id in self.gateway.descriptors]
        return [job.key for job in own_jobs(found for found in there if found is not None)]


@pytest.fixture
def watched() -> Iterator[Watched]:
    gateway, ledger, trust, locks = MemoryGateway(), SubmissionLedger(), ControllerTrust(0.05), KeyLocks()
    watched = WatchedGateway(gateway, trust)
    open_chains = OpenChains(2.0)
    cache = QueueCache(watched, ledger, trust, max_waiting=8, observers=[open_chains.observe])
    sender = JobSender(watched, cache, trust, HASHES)
    known_jobs = KnownJobs(cache, PastJobs(watched, kept_seconds=0.1), KeyHistory(watched, kept_hours=0), HASHES)
    chains, pauses = ChainRecovery(watched, known_jobs, open_chains), RecoveryPauses(0.02, 0.02)
    recovery = JobRecovery(
        watched, cache, ledger, trust, known_jobs, locks, sender, HASHES, chains, RecentCancellations(trust), pauses
    )
    open_chains.on_new = recovery.wake
    recovery.start()
    yield Watched(gateway, ledger, cache, trust, recovery)
    recovery.close()


def test_a_late_duplicate_is_cancelled(watched: Watched) -> None:
    comments = [bridge_metadata().to_json() for _ in range(2)]
    ids = [watched.gateway.submit(descriptor(OUTPUT_FOLDER, comment=text), Deadline.after(1)) for text in comments]
    watched.recovery.hurry()
    wait_until(lambda: state(watched.gateway, ids[1]) == "CANCELLED", "the second is cancelled")
    assert state(watched.gateway, ids[0]) == "PENDING"


def test_a_job_that_the_controller_lost_is_submitted_again_and_once(watched: Watched) -> None:
    _, lost, _ = watched.submit()
    watched.gateway.crash()
    wait_until(lambda: watched.keys() == [lost.key], "it is there again")
    _, another, _ = watched.submit()
    watched.gateway.crash()
    wait_until(lambda: sorted(watched.keys()) == sorted([lost.key, another.key]), "both are there, once")


def test_two_requests_with_one_key_come_back_both(watched: Watched) -> None:
    for metadata in (bridge_metadata(digest="d1"), bridge_metadata(digest="d2")):
        job = descriptor(OUTPUT_FOLDER, comment=metadata.to_json())
        watched.accept(job, metadata, watched.gateway.submit(job, Deadline.after(1)))
    watched.gateway.crash()
    wait_until(lambda: watched.keys() == ["key-1", "key-1"], "both are there")


def test_a_job_that_was_cancelled_and_then_lost_stays_so(watched: Watched) -> None:
    _, metadata, _ = watched.submit()
    watched.ledger.withdraw((metadata.key, metadata.digest))
    _, kept, _ = watched.submit()
    watched.gateway.crash()
    wait_until(lambda: watched.keys() == [kept.key], "the recovery has looked: the other job is there again")


@pytest.mark.parametrize("state", ["COMPLETED", "FAILED", "CANCELLED"])
def test_a_job_that_was_seen_to_end_is_not_lost(watched: Watched, state: str) -> None:
    _, _, job_id = watched.submit()
    watched.gateway.put(job_id, {"state": state, "end_time": 1})
    watched.look()
    watched.gateway.forget(job_id)
    _, kept, _ = watched.submit()
    watched.gateway.crash()
    wait_until(lambda: watched.keys() == [kept.key], "the recovery has looked: the other job is there again")


def test_a_job_of_which_accounting_knows_the_end_is_not_lost(watched: Watched) -> None:
    watched.gateway.has_accounting = True
    _, _, job_id = watched.submit()
    watched.gateway.put(job_id, {"state": "COMPLETED", "end_time": int(time.time())})
    watched.gateway.forget(job_id)
    _, kept, _ = watched.submit()
    watched.gateway.crash()
    wait_until(lambda: watched.keys() == [kept.key], "the recovery has looked: the other job is there again")


def test_a_job_that_may_have_ended_waits_for_accounting(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    watched.gateway.has_accounting = watched.gateway.accounting_is_dead = True
    _, lost, _ = watched.submit()
    watched.gateway.crash()
    wait_until(lambda: "a lost job may have ended" in caplog.messages, "accounting is asked")
    assert watched.keys() == []
    watched.gateway.accounting_is_dead = False
    wait_until(lambda: watched.keys() == [lost.key], "it is there again")


def test_a_lost_job_that_is_refused_does_not_hold_up_the_others(watched: Watched) -> None:
    metadata = JobMetadata("parse", UUID(THING), "request-1", uuid4().hex, "digest-1")
    watched.accept(descriptor(OUTPUT_FOLDER, comment=metadata.to_json(), partition="nowhere"), metadata, "99")
    _, kept, _ = watched.submit()
    watched.gateway.crash()
    wait_until(lambda: watched.keys() == [kept.key], "the other job is there again")
    wait_until(lambda: metadata not in {job.metadata for job in watched.ledger.unsaved()}, "it is given up")


def state(gateway: MemoryGateway, job_id: str) -> str | None:
    job = gateway.find(job_id, Deadline.after(1))
    return None if job is None else job.state


def submit_array(watched: Watched, indices: tuple[int, ...] = (0, 1, 2, 3)) -> JobMetadata:
    """Submit an array; returns the metadata of all of its elements."""
    metadata = replace(bridge_metadata(key=uuid4().hex), things=str(len(indices)))
    job = descriptor(OUTPUT_FOLDER, comment=metadata.to_json(), indices=indices)
    watched.accept(job, metadata, watched.gateway.submit(job, Deadline.after(1)))
    return metadata


def elements(watched: Watched, metadata: JobMetadata) -> list[str]:
    """Keys of an array's elements that are there, without the array's own."""
    submitted = watched.gateway.descriptors.items()
    ids = [element_id for job_id, job in submitted for element_id in ids_of(job_id, job.indices)]
    found = [there for element_id in ids if (there := watched.gateway.find(element_id, Deadline.after(1)))]
    keys = [job.key for job in own_jobs(found) if job.metadata.key == metadata.key and not job.is_finished]
    return sorted(key.removeprefix(metadata.key) for key in keys)


def test_an_array_that_the_controller_lost_is_submitted_again_and_once(watched: Watched) -> None:
    metadata = submit_array(watched)
    watched.gateway.crash()
    wait_until(lambda: elements(watched, metadata) == ["_0", "_1", "_2", "_3"], "its elements are there, once")
    assert watched.recovery.lost_resubmitted == 4


def test_elements_that_have_ended_or_were_cancelled_do_not_come_back(watched: Watched) -> None:
    metadata = submit_array(watched)
    watched.gateway.put("1_1", {"state": "COMPLETED", "end_time": 1})
    watched.look()
    watched.ledger.withdraw((metadata.key_of(2), metadata.digest))
    watched.gateway.crash()
    wait_until(lambda: elements(watched, metadata) == ["_0", "_3"], "the others are there again")
    assert [job.indices for job in watched.gateway.descriptors.values()][-1] == (0, 3)


def test_a_late_duplicate_of_an_array_is_cancelled_as_far_as_it_waits(watched: Watched) -> None:
    twins = [replace(bridge_metadata(), things="3") for _ in range(2)]
    for metadata in twins:
        job = descriptor(OUTPUT_FOLDER, comment=metadata.to_json(), indices=(0, 1, 2))
        watched.gateway.submit(job, Deadline.after(1))
    watched.gateway.put("2_1", {"state": "RUNNING", "nodes": "n1"})
    watched.recovery.hurry()
    wait_until(lambda: state(watched.gateway, "2_2") == "CANCELLED", "the second is cancelled")
    states = {job_id: state(watched.gateway, job_id) for job_id in ("1_0", "1_1", "1_2", "2_0", "2_1")}
    assert states == {"1_0": "PENDING", "1_1": "CANCELLED", "1_2": "PENDING", "2_0": "CANCELLED", "2_1": "RUNNING"}


def test_arrays_that_had_the_same_id_come_back_each(watched: Watched) -> None:
    first = submit_array(watched, (0, 1))
    for index in (0, 1):
        watched.gateway.lose(f"1_{index}")
    second = submit_array(watched, (0, 1))
    assert list(watched.gateway.descriptors) == ["1"]
    watched.gateway.crash()
    wait_until(lambda: elements(watched, first) == ["_0", "_1"], "the first is there, once")
    wait_until(lambda: elements(watched, second) == ["_0", "_1"], "the second is there, once")
