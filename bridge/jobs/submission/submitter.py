"""Exactly one job a submission, whatever happens between the bridge and Slurm.

Every submission has a key before anything is sent: the client's own or one made for it. The key is in the job's
comment. So the queue itself tells, to this bridge after a restart and to any other, whether a submission has its job.
"""

from dataclasses import replace

from bridge.core.deadline import Deadline
from bridge.core.key_locks import KeyLocks
from bridge.jobs.requests.factory import JobFactory
from bridge.jobs.requests.idempotency import IdentityHashes, submission_key
from bridge.jobs.requests.kinds import JobRequest
from bridge.jobs.status.queue_cache import QueueCache
from bridge.jobs.submission.attempts import Attempt, AttemptSubmitter, Submission
from bridge.jobs.submission.chains import ChainSubmitter
from bridge.jobs.submission.known_jobs import KnownJobs
from bridge.jobs.submission.pending_limit import PendingLimit


class JobSubmitter:
    """Submits a job for each request, once. HTTP resources call it, and whatever else takes requests."""

    def __init__(
        self,
        factory: JobFactory,
        hashes: IdentityHashes,
        attempts: AttemptSubmitter,
        chains: ChainSubmitter,
        cache: QueueCache,
        known_jobs: KnownJobs,
        key_locks: KeyLocks,
        pending_limit: PendingLimit,
    ) -> None:
        self._factory = factory
        self._hashes = hashes
        self._attempts = attempts
        self._chains = chains
        self._cache = cache
        self._known_jobs = known_jobs
        self._key_locks = key_locks
        self._pending_limit = pending_limit

    def submit(
        self, request: JobRequest, deadline: Deadline, *, request_id: str, offered_key: str | None, caller: str | None
    ) -> Submission:
        """Submit a job for `request`, unless its key has one. `offered_key` is the client's, `None`: it chose none.

        The same holds for the job that is to follow it. Raises `InvalidRequestError` where the key is malformed,
        `IdempotencyMismatchError` where it was used for another request, and what `PendingLimit.admit` and
        `Gateway.submit` raise.
        """
        identity = self._hashes.identity(request, submission_key(offered_key), caller)
        descriptor, metadata = self._factory.describe(request, identity, request_id)
        attempt = Attempt(identity, descriptor, metadata, deadline, may_have_duplicate=offered_key is not None)
        if offered_key is None:
            return self._submit(attempt, request)
        with self._key_locks.hold(identity.key, deadline):
            self._cache.take_trusted_look(deadline)
            first = self._known_jobs.of(identity, deadline)
            if first is None:
                return self._submit(attempt, request)
            replay = Submission(first.id, first.state, first.metadata, is_replay=True)
            follow_up = request.follow_up()
            if follow_up is None:
                return replay
            (follow_up_id,) = self._chains.complete_known([first], {0: follow_up}, attempt)
            return replace(replay, follow_up_id=follow_up_id)

    def _submit(self, attempt: Attempt, request: JobRequest) -> Submission:
        self._pending_limit.admit(attempt.deadline, 1 + request.is_followed)
        done, follow_up = self._attempts.submit(attempt), request.follow_up()
        if follow_up is None:
            return done
        (follow_up_id,) = self._chains.complete(done, {0: follow_up}, attempt)
        return replace(done, follow_up_id=follow_up_id)
