"""Submitting a batch: its arrays, each exactly once, in their order.

A batch has one key, and each of its arrays one that is made of it. The request is known to have been handled as far as
its last array that the queue shows. So a batch that was interrupted, and is sent again, gets the arrays that are there
and the rest, whichever bridge it comes to.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain

from bridge.config.batches import BatchSettings
from bridge.core.deadline import Deadline
from bridge.core.errors import (
    AlreadyFinishedError,
    BridgeError,
    FieldError,
    InvalidRequestError,
    OutcomeUnknownError,
)
from bridge.core.key_locks import KeyLocks
from bridge.jobs.requests.batches import BatchRequest, arrays_of, last_of_things
from bridge.jobs.requests.factory import JobFactory
from bridge.jobs.requests.idempotency import IdentityHashes, RequestIdentity, submission_key
from bridge.jobs.requests.kinds import JobRequest
from bridge.jobs.requests.metadata import element_key
from bridge.jobs.status.job_view import Job
from bridge.jobs.status.queue_cache import QueueCache
from bridge.jobs.submission.attempts import Attempt, AttemptSubmitter
from bridge.jobs.submission.chains import ChainSubmitter
from bridge.jobs.submission.known_jobs import KnownJobs
from bridge.jobs.submission.pending_limit import PendingLimit
from bridge.slurm.job_ids import ids_of, whole_id


@dataclass(frozen=True, slots=True)
class BatchSubmission:
    """What became of a batch. `is_replay`: all of its jobs were there already."""

    job_ids: tuple[str, ...]  # one an item, in their order
    follow_up_ids: tuple[str | None, ...]  # of the jobs that follow them
    kind: str
    lane: str
    request_id: str
    is_replay: bool

    @property
    def array_ids(self) -> list[str]:
        """The ids of the arrays that the jobs are elements of."""
        return list(dict.fromkeys(map(whole_id, self.job_ids)))

    @property
    def log_fields(self) -> dict[str, object]:
        """What the log of the request says of it."""
        return {"kind": self.kind, "jobs": len(self.job_ids), "array_job_ids": self.array_ids}


class BatchSubmitter:
    """Submits a job for each item of a batch, once. Safe to use from many threads."""

    def __init__(
        self,
        settings: BatchSettings,
        factory: JobFactory,
        hashes: IdentityHashes,
        attempts: AttemptSubmitter,
        chains: ChainSubmitter,
        cache: QueueCache,
        known_jobs: KnownJobs,
        key_locks: KeyLocks,
        pending_limit: PendingLimit,
    ) -> None:
        self._settings = settings
        self._factory = factory
        self._hashes = hashes
        self._attempts = attempts
        self._chains = chains
        self._cache = cache
        self._known_jobs = known_jobs
        self._key_locks = key_locks
        self._pending_limit = pending_limit

    def submit(
        self, batch: BatchRequest, deadline: Deadline, *, request_id: str, offered_key: str | None, caller: str | None
    ) -> BatchSubmission:
        """Submit what has no job yet. `offered_key` is the client's, `None`: it chose none.

        Raises what `JobSubmitter.submit` does, `InvalidRequestError` too where there are too many items, and
        `AlreadyFinishedError` where Slurm has forgotten a part of a batch that came again. Once a part of it is
        submitted, every other error is `OutcomeUnknownError`, with the key to go on with.
        """
        places = arrays_of(self._checked(batch), are_ordered=self._factory.order_per_thing)
        identities = self._hashes.batch_identities(batch, places, submission_key(offered_key), caller)
        done: list[tuple[str, str | None]] = []
        with ExitStack() as locks:
            for key in sorted(identity.key for identity in identities):
                locks.enter_context(self._key_locks.hold(key, deadline))
            known = [] if offered_key is None else self._known(identities, deadline)
            missing = [batch.items[place] for of_array in places[len(known) :] for place in of_array]
            if missing:
                self._pending_limit.admit(deadline, sum(1 + item.is_followed for item in missing))
            running_max = self._running_max(batch, len(places))
            followed = self._followed(batch.items, places)
            for number, (identity, of_array) in enumerate(zip(identities, places, strict=True)):
                in_array = ((index, place) for index, place in enumerate(of_array) if place in followed)
                follow_ups = {
                    index: follow_up for index, place in in_array if (follow_up := batch.items[place].follow_up())
                }
                described = self._factory.describe_array(
                    [batch.items[place] for place in of_array],
                    batch.lane,
                    running_max,
                    identity,
                    request_id,
                    is_followed=bool(follow_ups),
                )
                attempt = Attempt(identity, *described, deadline, may_have_duplicate=offered_key is not None)
                try:
                    done += self._array(attempt, follow_ups, known[number] if number < len(known) else None)
                except BridgeError as error:
                    if not done:
                        raise
                    raise _interrupted(error, len(done), len(batch.items)).with_key(identity.client_key) from None
        order = [place for of_array in places for place in of_array]
        if self._chains.is_sharing:
            done = _shared(done, [batch.items[place] for place in order])
        in_order = [jobs for _, jobs in sorted(zip(order, done, strict=True))]
        return BatchSubmission(
            tuple(job_id for job_id, _ in in_order),
            tuple(follow_up_id for _, follow_up_id in in_order),
            batch.items[0].kind,
            batch.lane,
            request_id,
            is_replay=not missing,
        )

    def _followed(self, items: Sequence[JobRequest], arrays: Sequence[Sequence[int]]) -> set[int]:
        """The places of the items that a job is to follow.

        Where jobs of a thing share that, it follows the last one of the thing in an array, or in the whole batch, where
        these are in order.
        """
        followed = [[place for place in array if items[place].is_followed] for array in arrays]
        if not self._chains.is_sharing:
            return set(chain(*followed))
        groups = [chain(*followed)] if self._factory.order_per_thing else followed
        return set().union(*(last_of_things(items, group) for group in groups))

    def _array(
        self, attempt: Attempt, follow_ups: Mapping[int, JobRequest], known: Job | None
    ) -> list[tuple[str, str | None]]:
        """The ids of its elements, and of those that follow them. `known` is an element of one that is there."""
        if known is None:
            first = self._attempts.submit(attempt)
            job_ids = ids_of(first.job_id, attempt.descriptor.indices)
            return _pairs(job_ids, self._chains.complete(first, follow_ups, attempt) if follow_ups else ())
        identity, elements = attempt.identity, []
        for index in identity.indices or ():
            # A lost element that was submitted again has another array's id.
            elements.append(self._known_jobs.with_key(identity, element_key(identity.key, index)))
        job_ids = [job.id if job else f"{whole_id(known.id)}_{index}" for index, job in enumerate(elements)]
        return _pairs(job_ids, self._chains.complete_known(elements, follow_ups, attempt) if follow_ups else ())

    def _checked(self, batch: BatchRequest) -> Sequence[JobRequest]:
        if len(batch.items) > self._settings.max_items:
            raise InvalidRequestError([FieldError("items", f"may be {self._settings.max_items} at most")])
        return batch.items

    def _known(self, identities: Sequence[RequestIdentity], deadline: Deadline) -> list[Job]:
        """An element of each array that is there already."""
        self._cache.take_trusted_look(deadline)
        found = [self._known_jobs.of(identity, deadline) for identity in identities]
        while found and found[-1] is None:
            found.pop()
        known = [job for job in found if job]
        if len(known) < len(found):
            raise AlreadyFinishedError(
                "Slurm has forgotten a part of this batch, which has ended: it is not done again."
            )
        return known

    def _running_max(self, batch: BatchRequest, arrays: int) -> int | None:
        """How many elements of each array may run at once."""
        of_batch = self._settings.bulk_running_max if batch.lane == "bulk" else None
        return None if of_batch is None else max(1, of_batch // arrays)


def _interrupted(error: BridgeError, submitted: int, wanted: int) -> OutcomeUnknownError:
    return OutcomeUnknownError(
        f"{submitted} of {wanted} jobs are submitted, then: {error} "
        "Send the batch again with the header `Idempotency-Key` set to `idempotency_key` of this answer: it gets these "
        "jobs, and the others.",
        slurm_code=error.slurm_code,
        slurm_message=error.slurm_message,
    )


def _shared(done: Sequence[tuple[str, str | None]], items: Sequence[JobRequest]) -> list[tuple[str, str | None]]:
    """With the job that follows a later one of the same thing, in place of one of its own."""
    pairs: list[tuple[str, str | None]] = []
    later: dict[object, str | None] = {}
    for (job_id, follow_up_id), item in zip(reversed(done), reversed(items), strict=True):
        if item.is_followed:
            follow_up_id = later[item.thing_uuid] = follow_up_id or later.get(item.thing_uuid)
        pairs.append((job_id, follow_up_id))
    return pairs[::-1]


def _pairs(job_ids: Sequence[str], follow_up_ids: Sequence[str | None]) -> list[tuple[str, str | None]]:
    return list(zip(job_ids, follow_up_ids or [None] * len(job_ids), strict=True))
