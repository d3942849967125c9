"""Two jobs for one request, of which the second runs once the first has succeeded: both, or neither.

The first is submitted to begin much later (`HELD_SECONDS`), then the second, which depends on it, and then the first is
let begin. What a bridge leaves behind that ends in between can be told from the queue, by any bridge: a first job that
is held. It is let begin where the second is there, and else cancelled (`ChainRecovery`), unless the request comes again
before. Nothing secret is needed for either.
"""

import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from bridge.core.deadline import Deadline
from bridge.core.errors import BridgeError, OutcomeUnknownError
from bridge.jobs.requests.factory import JobFactory
from bridge.jobs.requests.idempotency import IdentityHashes
from bridge.jobs.requests.kinds import JobRequest
from bridge.jobs.requests.metadata import JobMetadata
from bridge.jobs.status.job_view import Job
from bridge.jobs.status.ledger import SubmissionLedger
from bridge.jobs.status.queue_cache import QueueCache
from bridge.jobs.submission.arrays import by_array, indices_of
from bridge.jobs.submission.attempts import Attempt, AttemptSubmitter, Submission
from bridge.jobs.submission.known_jobs import KnownJobs
from bridge.slurm.gateway import Gateway
from bridge.slurm.job_ids import elements_id, ids_of, whole_id
from bridge.slurm.messages import Cancel

log = logging.getLogger(__name__)

FRESH_SECONDS = 30.0  # for which a held job may be completed; `ChainRecovery` cancels it later than that


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
    ) -> None:
        self._factory = factory
        self._hashes = hashes
        self._gateway = gateway
        self._attempts = attempts
        self._cache = cache
        self._known_jobs = known_jobs
        self._ledger = ledger

    def complete(self, first: Submission, follow_ups: Sequence[JobRequest], attempt: Attempt) -> list[str | None]:
        """Submit it, after `attempt` to submit the first job has had the result `first`; or the array, after an array.

        Returns its id, or those of its elements. Raises what `Gateway.submit` does: then there is neither, or the
        request has to come again.
        """
        indices = attempt.descriptor.indices
        if first.metadata == attempt.metadata:
            return [*ids_of(self._follow(first.job_id, first.metadata, indices, follow_ups, attempt), indices)]
        # Another bridge has submitted the first one, and maybe the second.
        self._cache.take_trusted_look(attempt.deadline)
        views = map(self._cache.find, ids_of(first.job_id, indices))
        return self.complete_known([view.job for view in views if view], follow_ups, attempt)

    def complete_known(
        self, firsts: Sequence[Job], follow_ups: Sequence[JobRequest], attempt: Attempt
    ) -> list[str | None]:
        """The same for a job, or the elements of an array, that the last look has shown.

        `None` stands for a job that Slurm has forgotten. Raises `OutcomeUnknownError` too.
        """
        seconds = {first.id: self._known_jobs.follow_up_of(first) for first in firsts}
        ids = {first_id: second.id if second else None for first_id, second in seconds.items()}
        held = [first for first in firsts if first.is_held and ids[first.id] is None]
        for jobs in by_array(held, lambda job: job.id):
            first_id, metadata = whole_id(jobs[0].id), jobs[0].metadata
            indices = indices_of(job.id for job in jobs)
            if time.time() - (jobs[0].snapshot.submit_time or 0) > FRESH_SECONDS:
                self._take_back(first_id, metadata, indices, attempt.deadline)
                raise OutcomeUnknownError(
                    "An earlier attempt was interrupted, and is taken back: send the request again."
                )
            second_id = self._follow(first_id, metadata, indices, follow_ups, attempt)
            ids.update(zip((job.id for job in jobs), ids_of(second_id, indices), strict=True))
        return [ids[first.id] for first in firsts]

    def _follow(
        self,
        first_id: str,
        first: JobMetadata,
        indices: Sequence[int] | None,
        follow_ups: Sequence[JobRequest],
        attempt: Attempt,
    ) -> str:
        identity = self._hashes.follow_up_identity(first, follow_ups, attempt.identity.client_key)
        descriptor, metadata = self._factory.describe_follow_up(
            follow_ups, first_id, first, identity, indices, attempt.descriptor.running_max
        )
        try:
            second = self._attempts.submit(
                replace(attempt, identity=identity, descriptor=descriptor, metadata=metadata, first=first)
            )
        except OutcomeUnknownError:  # the second one may be there
            raise
        except BridgeError:
            with suppress(BridgeError):
                self._take_back(first_id, first, indices, attempt.deadline)
            raise
        try:
            self._gateway.release(first_id, attempt.deadline)
        except BridgeError as error:
            log.info("a job begins later than it could", extra={"job_id": first_id, "detail": str(error)})
        return second.job_id

    def _take_back(self, first_id: str, first: JobMetadata, indices: Sequence[int] | None, deadline: Deadline) -> None:
        for index in indices or (None,):
            self._ledger.withdraw((first.key_of(index), first.digest))
        cancel_id = first_id if indices is None else elements_id(first_id, indices)
        self._gateway.cancel(Cancel(cancel_id, first.to_json(), None, only_waiting=True), deadline)
        log.info("took back a job that none would have followed", extra={"job_id": first_id})
