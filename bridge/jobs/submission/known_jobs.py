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
from bridge.slurm.job_ids import index_of


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
        lost = (job for key in identity.keys for job in self._cache.lost_with_key(key) if identity.is_of(job.metadata))
        ended = (self._past(job.id, job.metadata, deadline) for job in lost)
        return next((job for job in ended if job), None)

    def with_key(self, identity: RequestIdentity, key: str) -> Job | None:
        """The job that the request, or the element of its array with this key, has as of the last look."""
        own = without_copies(job for job in self._cache.with_key(key) if identity.is_of(job.metadata))
        return _that_counts(own)

    def _seen(self, identity: RequestIdentity) -> Job | None:
        own = [job for key in identity.keys if (job := self.with_key(identity, key))]
        if not own and any(
            identity.has_key_of(job.metadata) for key in identity.keys for job in self._cache.with_key(key)
        ):
            raise IdempotencyMismatchError(
                "This Idempotency-Key was used for another request. Use a new key for a new request."
            )
        return _that_counts(own)

    def have(self, job_id: str, metadata: JobMetadata, deadline: Deadline) -> bool:
        """Whether the request of a job that was accepted with this id has one still, or had one that has ended.

        Raises what `PastJobs.find` does.
        """
        key = metadata.key_of(index_of(job_id))
        of_request = (job for job in self._cache.with_key(key) if job.metadata.digest == metadata.digest)
        if any(job.metadata == metadata or not _may_have_given_way(job) for job in of_request):
            return True
        return self._past(job_id, metadata, deadline) is not None

    def _past(self, job_id: str, metadata: JobMetadata, deadline: Deadline) -> Job | None:
        """The job, if accounting knows that it has ended."""
        past = self._past_jobs.find(job_id, deadline, is_fresh=True)
        return past if past is not None and past.metadata == metadata else None


def _that_counts(jobs: list[Job]) -> Job | None:
    """The first that was not cancelled, or the first one."""
    return next((job for job in jobs if job.state != "CANCELLED"), jobs[0] if jobs else None)


def _may_have_given_way(job: Job) -> bool:
    """Whether it was cancelled before it started, as a duplicate is: that says nothing of the job that stays."""
    return job.state == "CANCELLED" and job.snapshot.nodes is None
