"""Whether a request has its job: in the queue, among those that were seen to end, or in accounting.

A job that is not in the queue any more is not lost: it may have ended, and the controller forgets it after `MinJobAge`.
"""

from bridge.core.deadline import Deadline
from bridge.core.errors import IdempotencyMismatchError
from bridge.jobs.requests.idempotency import RequestIdentity
from bridge.jobs.requests.metadata import JobMetadata
from bridge.jobs.status.job_view import Job
from bridge.jobs.status.past_jobs import PastJobs
from bridge.jobs.status.queue_cache import QueueCache
from bridge.jobs.submission.duplicates import without_copies


class KnownJobs:
    """Answers as of the last look at the queue. Safe to use from many threads."""

    def __init__(self, cache: QueueCache, past_jobs: PastJobs) -> None:
        self._cache = cache
        self._past_jobs = past_jobs

    def of(self, identity: RequestIdentity, deadline: Deadline) -> Job | None:
        """The job that the request has already. Two requests with one key have one each if they came together.

        Raises `IdempotencyMismatchError` where only another request has one, and what `PastJobs.find` does where the
        request had one that has left the queue.
        """
        if seen := self._seen(identity):
            return seen
        lost = (job for job in self._cache.lost_with_key(identity.key) if identity.is_of(job.metadata))
        ended = (self._past(job.id, job.metadata, deadline) for job in lost)
        return next((job for job in ended if job), None)

    def _seen(self, identity: RequestIdentity) -> Job | None:
        jobs = [*self._cache.with_key(identity.client_key), *self._cache.with_key(identity.key)]
        with_key = [job for job in jobs if identity.has_key_of(job.metadata)]
        own = without_copies(job for job in with_key if identity.is_of(job.metadata))
        if with_key and not own:
            raise IdempotencyMismatchError(
                "This Idempotency-Key was used for another request. Use a new key for a new request."
            )
        return next((job for job in own if job.state != "CANCELLED"), own[0] if own else None)

    def have(self, job_id: str, metadata: JobMetadata, deadline: Deadline) -> bool:
        """Whether the request of a job that was accepted with this id has one still, or had one that has ended.

        Raises what `PastJobs.find` does.
        """
        of_request = (job for job in self._cache.with_key(metadata.key) if job.metadata.digest == metadata.digest)
        if any(job.metadata == metadata or not _may_have_given_way(job) for job in of_request):
            return True
        return self._past(job_id, metadata, deadline) is not None

    def _past(self, job_id: str, metadata: JobMetadata, deadline: Deadline) -> Job | None:
        """The job, if accounting knows that it has ended."""
        past = self._past_jobs.find(job_id, deadline, is_fresh=True)
        return past if past is not None and past.metadata == metadata else None


def _may_have_given_way(job: Job) -> bool:
    """Whether it was cancelled before it started, as a duplicate is: that says nothing of the job that stays."""
    return job.state == "CANCELLED" and job.snapshot.nodes is None
