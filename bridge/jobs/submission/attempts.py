"""One attempt to submit a job or an array, and what is made of an answer that does not come."""

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
from bridge.jobs.requests.idempotency import RequestIdentity
from bridge.jobs.requests.metadata import JobMetadata
from bridge.jobs.status.controller_trust import ControllerTrust
from bridge.jobs.status.ledger import SubmissionLedger
from bridge.jobs.status.queue_cache import QueueCache
from bridge.jobs.submission.known_jobs import KnownJobs
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
    metadata: JobMetadata
    is_replay: bool
    follow_up_id: str | None = None  # of the job that follows it; `None` too where Slurm has forgotten that

    @property
    def kind(self) -> str:
        """See `JobMetadata`."""
        return self.metadata.kind

    @property
    def thing_uuid(self) -> UUID:
        """See `JobMetadata`."""
        return self.metadata.thing_uuid

    @property
    def log_fields(self) -> dict[str, object]:
        """What the log of the request says of it."""
        follow_up = {} if self.follow_up_id is None else {"follow_up_id": self.follow_up_id}
        return {"kind": self.kind, "thing_uuid": self.thing_uuid, "job_id": self.job_id, **follow_up}


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
    first: JobMetadata | None = None  # of the job that it follows


class AttemptSubmitter:
    """Submits what has no job yet: where the client chose the key, the caller has looked."""

    def __init__(
        self,
        gateway: Gateway,
        sender: JobSender,
        cache: QueueCache,
        known_jobs: KnownJobs,
        ledger: SubmissionLedger,
        trust: ControllerTrust,
        recovery: JobRecovery,
    ) -> None:
        self._gateway = gateway
        self._sender = sender
        self._cache = cache
        self._known_jobs = known_jobs
        self._ledger = ledger
        self._trust = trust
        self._recovery = recovery

    def submit(self, attempt: Attempt) -> Submission:
        """What it says of an array holds for the whole. Raises what `Gateway.submit` does."""
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
            return Submission(job_id, "PENDING", attempt.metadata, is_replay=False)
        self._note_accepted(attempt, whole_id(other.id), other.metadata, may_have_duplicate=False)
        return Submission(whole_id(other.id), other.state, other.metadata, is_replay=True)

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
        return Submission(whole_id(first.id), first.state, first.metadata, is_replay=False)

    def _note_accepted(self, attempt: Attempt, job_id: str, metadata: JobMetadata, *, may_have_duplicate: bool) -> None:
        """`metadata` is the job's own: it may be that of an earlier attempt, or of another bridge's."""
        self._ledger.accept(
            attempt.descriptor,
            metadata,
            job_id,
            self._trust.booted_at,
            may_have_duplicate=may_have_duplicate,
            first=attempt.first,
        )
        self._recovery.wake()
