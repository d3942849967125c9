"""Exactly one job a submission, whatever happens between the bridge and Slurm.

Every submission has a key before anything is sent: the client's own or one made for it. The key is in the job's
comment. So the queue itself tells, to this bridge after a restart and to any other, whether a submission has its job.
"""

import logging
from dataclasses import dataclass
from uuid import UUID

from bridge.core.deadline import Deadline
from bridge.core.errors import (
    AccountingUnreachableError,
    ControllerUnreachableError,
    OutcomeUnknownError,
    OverloadedError,
)
from bridge.core.key_locks import KeyLocks
from bridge.jobs.requests.factory import JobFactory
from bridge.jobs.requests.idempotency import IdentityHashes, RequestIdentity, submission_key
from bridge.jobs.requests.kinds import JobRequest
from bridge.jobs.requests.metadata import JobMetadata
from bridge.jobs.status.controller_trust import ControllerTrust
from bridge.jobs.status.ledger import SubmissionLedger
from bridge.jobs.status.queue_cache import QueueCache
from bridge.jobs.submission.known_jobs import KnownJobs
from bridge.jobs.submission.pending_limit import PendingLimit
from bridge.jobs.submission.recovery import JobRecovery
from bridge.jobs.submission.sender import JobSender
from bridge.slurm.gateway import Gateway
from bridge.slurm.job_ids import whole_id
from bridge.slurm.messages import JobDescriptor

log = logging.getLogger(__name__)

LOOKUP_SECONDS = 3.0  # of a request's time are kept for asking the queue what became of an unanswered submission


@dataclass(frozen=True, slots=True)
class Submission:
    """What became of a request. `is_replay`: the job was there already, by an earlier request with the same key."""

    job_id: str
    state: str
    kind: str
    thing_uuid: UUID
    request_id: str
    is_replay: bool

    @property
    def log_fields(self) -> dict[str, object]:
        """What the log of the request says of it."""
        return {"kind": self.kind, "thing_uuid": self.thing_uuid, "job_id": self.job_id}


@dataclass(frozen=True, slots=True)
class Attempt:
    """A job, or an array, that is to be submitted. `may_have_duplicate`: the client chose the key.

    It may have sent it to others.
    """

    identity: RequestIdentity
    descriptor: JobDescriptor
    metadata: JobMetadata
    deadline: Deadline
    may_have_duplicate: bool


class JobSubmitter:
    """Submits a job for each request, once. HTTP resources call it, and whatever else takes requests."""

    def __init__(
        self,
        factory: JobFactory,
        hashes: IdentityHashes,
        gateway: Gateway,
        sender: JobSender,
        cache: QueueCache,
        known_jobs: KnownJobs,
        ledger: SubmissionLedger,
        trust: ControllerTrust,
        recovery: JobRecovery,
        key_locks: KeyLocks,
        pending_limit: PendingLimit,
    ) -> None:
        self._factory = factory
        self._hashes = hashes
        self._gateway = gateway
        self._sender = sender
        self._cache = cache
        self._known_jobs = known_jobs
        self._ledger = ledger
        self._trust = trust
        self._recovery = recovery
        self._key_locks = key_locks
        self._pending_limit = pending_limit

    def submit(
        self, request: JobRequest, deadline: Deadline, *, request_id: str, offered_key: str | None, caller: str | None
    ) -> Submission:
        """Submit a job for `request`, unless its key has one. `offered_key` is the client's, `None`: it chose none.

        Raises `InvalidRequestError` where the key is malformed, `IdempotencyMismatchError` where it was used for
        another request, and what `PendingLimit.admit` and `Gateway.submit` raise.
        """
        identity = self._hashes.identity(request, submission_key(offered_key), caller)
        descriptor, metadata = self._factory.describe(request, identity, request_id)
        attempt = Attempt(identity, descriptor, metadata, deadline, may_have_duplicate=offered_key is not None)
        if offered_key is None:
            return self._submit(attempt)
        with self._key_locks.hold(identity.key, deadline):
            self._cache.take_trusted_look(deadline)
            first = self._known_jobs.of(identity, deadline)
            return (
                _submission(first.id, first.state, first.metadata, is_replay=True) if first else self._submit(attempt)
            )

    def _submit(self, attempt: Attempt) -> Submission:
        self._pending_limit.admit(attempt.deadline)
        return self.submit_attempt(attempt)

    def submit_attempt(self, attempt: Attempt) -> Submission:
        """Submit what has no job yet: where the client chose the key, the caller has looked.

        What it says of an array holds for the whole. Raises what `Gateway.submit` does.
        """
        try:
            job_id = self._send(attempt)
        except OutcomeUnknownError as error:
            self._recovery.hurry()
            return self._adopt(attempt, error)
        except ControllerUnreachableError:
            self._recovery.hurry()
            raise
        self._note_accepted(attempt, job_id, attempt.metadata, may_have_duplicate=attempt.may_have_duplicate)
        other = None
        if attempt.may_have_duplicate:
            other = self._sender.give_way(job_id, attempt.metadata, attempt.deadline, attempt.descriptor.indices)
        if other is None:
            return _submission(job_id, "PENDING", attempt.metadata)
        self._note_accepted(attempt, whole_id(other.id), other.metadata, may_have_duplicate=False)
        return _submission(whole_id(other.id), other.state, other.metadata, is_replay=True)

    def _send(self, attempt: Attempt) -> str:
        deadline = attempt.deadline.earlier_by(LOOKUP_SECONDS)
        submit = self._sender.send if attempt.may_have_duplicate else self._gateway.submit
        return submit(attempt.descriptor, deadline)

    def _adopt(self, attempt: Attempt, error: OutcomeUnknownError) -> Submission:
        """The job of a submission that was not answered, if the queue has it."""
        try:
            self._cache.take_trusted_look(attempt.deadline)
            first = self._known_jobs.of(attempt.identity, attempt.deadline)
        except (AccountingUnreachableError, ControllerUnreachableError, OverloadedError):
            first = None
        if first is None:
            error.idempotency_key = attempt.identity.client_key
            raise error from None
        log.info("adopted a job whose submission was not answered", extra={"job_id": first.id})
        self._note_accepted(attempt, whole_id(first.id), first.metadata, may_have_duplicate=False)
        return _submission(whole_id(first.id), first.state, first.metadata)

    def _note_accepted(self, attempt: Attempt, job_id: str, metadata: JobMetadata, *, may_have_duplicate: bool) -> None:
        """`metadata` is the job's own: it may be that of an earlier attempt, or of another bridge's."""
        self._ledger.accept(
            attempt.descriptor, metadata, job_id, self._trust.booted_at, may_have_duplicate=may_have_duplicate
        )
        self._recovery.wake()


def _submission(job_id: str, state: str, metadata: JobMetadata, *, is_replay: bool = False) -> Submission:
    return Submission(job_id, state, metadata.kind, metadata.thing_uuid, metadata.request_id, is_replay)
