"""Two jobs for one request, of which the second runs once the first has succeeded: both, or neither.

The first is submitted to begin much later (`HELD_SECONDS`), then the second, which depends on it, and then the first is
let begin. What a bridge leaves behind that ends in between can be told from the queue, by any bridge: a first job that
is held. It is let begin where the second is there, and else cancelled (`ChainRecovery`), unless the request comes again
before. Nothing secret is needed for either. A request that fails in between takes back only what it has submitted
itself, as long as no other bridge has submitted the second.

Where second jobs are shared (`qaqc_coalesce_seconds`), one waits for more first jobs of its thing. The next of these
gets one that follows all of them, and the one that waits is cancelled. Slurm lets jobs of a thing begin in the order of
their ids, so that the shared one has to have the latest.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from bridge.core.deadline import Deadline
from bridge.core.errors import BridgeError, ControllerUnreachableError, OutcomeUnknownError
from bridge.core.key_locks import KeyLocks
from bridge.jobs.requests.factory import JobFactory, Place
from bridge.jobs.requests.idempotency import IdentityHashes
from bridge.jobs.requests.kinds import JobRequest
from bridge.jobs.requests.metadata import JobMetadata
from bridge.jobs.status.controller_trust import ControllerTrust
from bridge.jobs.status.job_view import Job, Origin
from bridge.jobs.status.ledger import SubmissionLedger
from bridge.jobs.status.queue_cache import QueueCache
from bridge.jobs.submission.arrays import by_array, indices_of
from bridge.jobs.submission.attempts import Attempt, AttemptSubmitter, Submission
from bridge.jobs.submission.chain_recovery import OpenChains
from bridge.jobs.submission.known_jobs import KnownJobs
from bridge.jobs.submission.sender import CONTESTED_SECONDS
from bridge.slurm.errors import outcome_unknown
from bridge.slurm.gateway import Gateway
from bridge.slurm.job_ids import elements_id, ids_of, whole_id
from bridge.slurm.messages import Cancel

log = logging.getLogger(__name__)

SHARED_MAX = 20  # jobs that one follows; a comment has room for that many ids


@dataclass(frozen=True, slots=True)
class _Part:
    """One of the two jobs; or elements of an array, each of which follows one of the other array, or is followed."""

    id: str  # the array's, where it is one
    metadata: JobMetadata
    indices: Sequence[int] | None

    @property
    def job_ids(self) -> list[str]:
        return ids_of(self.id, self.indices)


class ChainSubmitter:
    """Submits the second job. Safe to use from many threads, as long as each has the lock of its request's key."""

    def __init__(
        self,
        factory: JobFactory,
        hashes: IdentityHashes,
        gateway: Gateway,
        attempts: AttemptSubmitter,
        cache: QueueCache,
        known_jobs: KnownJobs,
        ledger: SubmissionLedger,
        trust: ControllerTrust,
        key_locks: KeyLocks,
        chains: OpenChains,
        coalesce_seconds: int,
    ) -> None:
        self._factory = factory
        self._hashes = hashes
        self._gateway = gateway
        self._attempts = attempts
        self._cache = cache
        self._known_jobs = known_jobs
        self._ledger = ledger
        self._trust = trust
        self._key_locks = key_locks
        self._chains = chains
        self._coalesce_seconds = coalesce_seconds

    @property
    def is_sharing(self) -> bool:
        """Whether jobs of a thing share the one that follows them."""
        return bool(self._coalesce_seconds)

    def complete(self, first: Submission, follow_ups: Mapping[int, JobRequest], attempt: Attempt) -> list[str | None]:
        """Submit it, after `attempt` to submit the first job has had the result `first`; or the array, after an array.

        `follow_ups` are by the index of the element that they follow; the first job's, where it is no array, is 0.
        Returns the id of what follows it, or each of its elements; `None`: nothing does. Raises what `Gateway.submit`
        does: then there is neither, or the request has to come again.
        """
        job_ids = ids_of(first.job_id, attempt.descriptor.indices)
        if first.metadata == attempt.metadata:
            indices = None if attempt.descriptor.indices is None else [*follow_ups]
            seconds = self._followed(_Part(first.job_id, first.metadata, indices), follow_ups, attempt, is_own=True)
            return [seconds.get(job_id) for job_id in job_ids]
        # Another bridge has submitted the first one, and maybe the second.
        self._cache.take_trusted_look(attempt.deadline)
        return self.complete_known([self._shown(job_id, first.metadata) for job_id in job_ids], follow_ups, attempt)

    def complete_known(
        self, firsts: Sequence[Job | None], follow_ups: Mapping[int, JobRequest], attempt: Attempt
    ) -> list[str | None]:
        """The same for a job, or the elements of an array, that the last look has shown; `None`: it did not show it.

        `None` stands for the id of a job that Slurm has forgotten. Raises `OutcomeUnknownError` too.
        """
        known = [first for first in firsts if first]
        ids = {first.id: self._follower_id(first) for first in known}
        unfollowed = [first for first in known if ids[first.id] is None and (first.index or 0) in follow_ups]
        held = [first for first in unfollowed if first.is_held]
        for jobs in by_array(held, lambda job: job.id):
            if time.time() - (jobs[0].snapshot.submit_time or 0) > self._chains.fresh_seconds:
                raise OutcomeUnknownError(
                    "An earlier attempt was interrupted, and will be taken back: send the request again."
                )
            first = _Part(whole_id(jobs[0].id), jobs[0].metadata, indices_of(job.id for job in jobs))
            ids |= self._followed(first, follow_ups, attempt, is_own=False)
        return [ids[first.id] if first else None for first in firsts]

    def _shown(self, job_id: str, metadata: JobMetadata) -> Job | None:
        """The job as of the last look; its id may be another's by now."""
        view = self._cache.find(job_id)
        return view.job if view and view.job.metadata == metadata else None

    def _follower_id(self, first: Job) -> str | None:
        follower = self._known_jobs.follow_up_of(first)
        return follower.id if follower else None

    def _followed(
        self, first: _Part, follow_ups: Mapping[int, JobRequest], attempt: Attempt, *, is_own: bool
    ) -> Mapping[str, str | None]:
        """The ids of what follows the job, or the elements, by their own. `is_own`: this request has submitted it.

        Where Slurm refuses what was to follow, another bridge may have done it meanwhile, for the same request.
        """
        try:
            second_id = self._follow(first, follow_ups, attempt)
        except OutcomeUnknownError:  # it may be there
            raise
        except BridgeError:
            followers: Mapping[str, str | None] = {}
            with suppress(BridgeError):
                self._cache.take_trusted_look(attempt.deadline)
                jobs = [job for job_id in first.job_ids if (job := self._shown(job_id, first.metadata))]
                followers = {job.id: self._follower_id(job) for job in jobs}
                if is_own and not any(followers.values()) and all(job.is_held for job in jobs):
                    self._take_back(first, attempt.deadline)
            if not followers or None in followers.values():
                raise
            return followers
        return dict(zip(first.job_ids, ids_of(second_id, first.indices), strict=True))

    def _follow(self, first: _Part, follow_ups: Mapping[int, JobRequest], attempt: Attempt) -> str:
        identity = self._hashes.follow_up_identity(first.metadata, follow_ups, attempt.identity.client_key)
        attempt = replace(attempt, identity=identity)
        if first.indices is not None or not self.is_sharing:
            return self._submit(first, Place(first.id, until=0 if self.is_sharing else None), follow_ups, attempt)
        with self._key_locks.hold(f"follow-up {identity.digest}", attempt.deadline):
            self._cache.take_look(attempt.deadline)
            replaced = self._replaceable(identity.digest)
            second_id = self._submit(first, self._place_instead(replaced, first.id), follow_ups, attempt)
            for job in replaced:
                self._cancel_replaced(job, attempt.deadline)
        return second_id

    def _replaceable(self, digest: str) -> list[Job]:
        """The jobs that wait for more of their thing, and would do the same; as far as a comment has room for all."""
        alike = (job for job in self._chains.replaceable(time.time()) if job.metadata.digest == digest)
        jobs = [job for job in alike if self._known_jobs.has_submitted(job)]
        return jobs if sum(len(job.follows) for job in jobs) < SHARED_MAX else []

    def _place_instead(self, replaced: Sequence[Job], first_id: str) -> Place:
        if not replaced:
            return Place(first_id, until=int(time.time()) + self._coalesce_seconds)
        return Place(
            ",".join([*dict.fromkeys(job_id for job in replaced for job_id in job.follows), first_id]),
            until=min(job.metadata.until or 0 for job in replaced),
            instead=",".join(job.id for job in replaced),
        )

    def _cancel_replaced(self, job: Job, deadline: Deadline) -> None:
        """Where that fails, or the job has begun, there is one more than needed."""
        self._ledger.withdraw(job.request)
        try:
            self._gateway.cancel(job.cancellation(only_waiting=True), deadline)
        except BridgeError as error:
            log.info("a job runs beside the one that was to replace it", extra={"job_id": job.id, "detail": str(error)})

    def _submit(self, first: _Part, place: Place, follow_ups: Mapping[int, JobRequest], attempt: Attempt) -> str:
        descriptor, metadata = self._factory.describe_follow_up(
            follow_ups, first.metadata, attempt.identity, place, first.indices, attempt.descriptor.running_max
        )
        second = self._attempts.submit(replace(attempt, descriptor=descriptor, metadata=metadata, first=first.metadata))
        if self._trust.was_disturbed_within(CONTESTED_SECONDS):  # else the controller cannot have crashed meanwhile
            self._require(first, _Part(second.job_id, second.metadata, first.indices), attempt)
        try:
            self._gateway.release(first.id, attempt.deadline)
        except BridgeError as error:
            log.info("a job begins later than it could", extra={"job_id": first.id, "detail": str(error)})
        return second.job_id

    def _require(self, first: _Part, second: _Part, attempt: Attempt) -> None:
        """Raise `OutcomeUnknownError` where a controller that crashed has lost the first job: the second is taken back.

        It would follow the job that has the id by now. `JobRecovery` submits the first again, and the request that
        comes again completes it.
        """
        try:
            self._cache.take_look(attempt.deadline)
            views = [self._cache.find(job_id) for job_id in first.job_ids]
            if all(view and view.origin is Origin.CONTROLLER and view.job.metadata == first.metadata for view in views):
                return
            self._take_back(second, attempt.deadline)
        except ControllerUnreachableError as error:
            log.info("the first of two jobs may be lost", extra={"job_id": first.id, "detail": str(error)})
        raise outcome_unknown("The controller was away meanwhile").with_key(attempt.identity.client_key)

    def _take_back(self, part: _Part, deadline: Deadline) -> None:
        metadata = part.metadata
        for index in part.indices or (None,):
            self._ledger.withdraw((metadata.key_of(index), metadata.digest))
        job_id = elements_id(part.id, part.indices)
        self._gateway.cancel(Cancel(job_id, metadata.to_json(), None, only_waiting=True), deadline)
        log.info("took back a job of two, where the other is not there", extra={"job_id": part.id})
