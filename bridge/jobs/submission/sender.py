"""Sending a job at a time when another bridge may be sending one for the same request.

A controller that was silent leaves several bridges with the same request: a client has given up at one and gone to the
next, or a lost job is submitted again by its bridge and by its client at another. All of them look at the queue as soon
as it can be trusted, find nothing, and submit. So for a while after a silence a job is submitted to begin later. Then
the bridge looks once more: the queue shows every job that got its id earlier. The one with the lowest id stays. Each
other bridge takes its own back before it could start, and before it has answered. Where the controller limits requests
it is so at any time: a submission may come to it after that of the bridge to which the client has gone meanwhile.
"""

import logging
import time
from collections.abc import Sequence

from msgspec.structs import replace

from bridge.core.deadline import Deadline
from bridge.core.errors import BridgeError
from bridge.jobs.requests.idempotency import IdentityHashes
from bridge.jobs.requests.metadata import JobMetadata
from bridge.jobs.status.controller_trust import ControllerTrust
from bridge.jobs.status.job_view import Job
from bridge.jobs.status.queue_cache import QueueCache
from bridge.jobs.submission.duplicates import superfluous_duplicates
from bridge.slurm.gateway import Gateway
from bridge.slurm.job_ids import elements_id, ids_of
from bridge.slurm.messages import JobDescriptor

log = logging.getLogger(__name__)

CONTESTED_SECONDS = 20.0  # after a silence; longer than a request waits for Slurm
BEGIN_LATER_SECONDS = 30  # where the bridge ends before it has let the job begin


class JobSender:
    """Sends jobs. Safe to use from many threads."""

    def __init__(self, gateway: Gateway, cache: QueueCache, trust: ControllerTrust, hashes: IdentityHashes) -> None:
        self._gateway = gateway
        self._cache = cache
        self._trust = trust
        self._hashes = hashes

    def send(self, job: JobDescriptor, deadline: Deadline) -> str:
        """Submit a job with a key that another bridge may have as well. Raises what `Gateway.submit` does."""
        if self._is_contested and job.begin_time is None:
            job = replace(job, begin_time=int(time.time()) + BEGIN_LATER_SECONDS)
        return self._gateway.submit(job, deadline)

    def give_way(
        self, job_id: str, metadata: JobMetadata, deadline: Deadline, indices: Sequence[int] | None = None
    ) -> Job | None:
        """The job of the same request that stays instead of this one, which was sent a moment ago and is taken back.

        `None` where this one stays, and where Slurm cannot be asked by `deadline`: `JobRecovery` goes on then. For an
        array (`indices` are its elements') its first element decides, and an element of the one that stays is returned.
        """
        if not self._is_contested:
            return None
        try:
            own, other = self._own_and_other_that_stays(job_id, metadata, deadline, indices)
            # Where a crash has lost it, its id may be another's.
            if own is not None and other is None and not (metadata.qaqc or metadata.until):
                self._gateway.release(job_id, deadline)
        except BridgeError as error:
            log.info("a job begins later than it could", extra={"job_id": job_id, "detail": str(error)})
            return None
        return other

    @property
    def _is_contested(self) -> bool:
        return self._trust.limits_requests or self._trust.was_disturbed_within(CONTESTED_SECONDS)

    def _own_and_other_that_stays(
        self, job_id: str, metadata: JobMetadata, deadline: Deadline, indices: Sequence[int] | None
    ) -> tuple[Job | None, Job | None]:
        """The job as the queue has it, and the one that stays instead."""
        first = None if indices is None else indices[0]
        (first_id, *_) = ids_of(job_id, indices)
        key = metadata.key_of(first)
        while True:
            self._cache.take_look(deadline)
            jobs = [job for job in self._cache.with_key(key) if job.metadata.digest == metadata.digest]
            superfluous = superfluous_duplicates(jobs, self._hashes)
            # By its metadata too: its id may have been another's before a crash, which the cache remembers.
            own = next((job for job in jobs if job.id == first_id and job.metadata == metadata), None)
            others = [job for job in jobs if job not in superfluous and job is not own and job.state != "CANCELLED"]
            if own is None or not others or (own not in superfluous and own.state != "CANCELLED"):
                return own, None
            cancel_id = elements_id(job_id, indices)
            request = replace(own.cancellation(only_waiting=True), job_id=cancel_id)
            if own.state == "CANCELLED" or self._gateway.cancel(request, deadline):
                log.info("gave way to a job of the same request", extra={"job_id": job_id, "other": others[0].id})
                return own, others[0]
            # It has begun, or another bridge has cancelled it: the next look shows which.
