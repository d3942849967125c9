"""Whether a request has its job: in the queue, among those that were seen to end, or in accounting.

A job that is not in the queue any more is not lost: it may have ended, and the controller forgets it after `MinJobAge`.
"""

from bridge.core.deadline import Deadline
from bridge.core.errors import IdempotencyMismatchError
from bridge.jobs.requests.idempotency import RequestIdentity
from bridge.jobs.requests.metadata import JobMetadata
from bridge.jobs.status.job_view import Job, JobView
from bridge.jobs.status.past_jobs import PastJobs
from bridge.jobs.status.queue_cache import QueueCache
from bridge.jobs.submission.duplicates import was_cancelled_unstarted, without_copies
from bridge.jobs.submission.key_history import KeyHistory


class KnownJobs:
    """Answers as of the last look at the queue. Safe to use from many threads."""

    def __init__(self, cache: QueueCache, past_jobs: PastJobs, key_history: KeyHistory) -> None:
        self._cache = cache
        self._past_jobs = past_jobs
        self._key_history = key_history

    def of(self, identity: RequestIdentity, deadline: Deadline) -> Job | None:
        """The job that the request has already. Two requests with one key have one each if they came together.

        Raises `IdempotencyMismatchError` where only another request has one, and what `PastJobs.find` does where the
        request had one that has left the queue.
        """
        seen = self._seen(identity, deadline)
        lost = [view for view in self._cache.lost_with_key(identity.key) if identity.is_of(view.job.metadata)]
        if seen and not any(_may_have_given_way(seen, view) for view in lost):
            return seen
        ended = [(view, self._past(view.id, view.job.metadata, deadline)) for view in lost]
        job = _first_choice([*([seen] if seen else []), *(past for _, past in ended if past)])
        has_none = job is None or any(_may_have_given_way(job, view) for view, past in ended if past is None)
        return None if has_none else job

    def _seen(self, identity: RequestIdentity, deadline: Deadline) -> Job | None:
        jobs: list[Job] = []
        for key in (identity.client_key, identity.key):
            jobs += [*self._key_history.with_key(key, deadline), *self._cache.with_key(key)]
        jobs.sort(key=lambda job: job.order)
        with_key = [job for job in jobs if identity.has_key_of(job.metadata)]
        own = without_copies(job for job in with_key if identity.is_of(job.metadata))
        if with_key and not own:
            raise IdempotencyMismatchError(
                "This Idempotency-Key was used for another request. Use a new key for a new request."
            )
        return _first_choice(own)

    def have(self, job_id: str, metadata: JobMetadata, deadline: Deadline) -> bool:
        """Whether the request of a job that was accepted with this id has one still, or had one that has ended.

        Raises what `PastJobs.find` does.
        """
        of_request = (job for job in self._cache.with_key(metadata.key) if job.metadata.digest == metadata.digest)
        if any(job.metadata == metadata or not was_cancelled_unstarted(job) for job in of_request):
            return True
        return self._past(job_id, metadata, deadline) is not None

    def _past(self, job_id: str, metadata: JobMetadata, deadline: Deadline) -> Job | None:
        """The job, if accounting knows that it has ended."""
        past = self._past_jobs.find(job_id, deadline, is_fresh=True)
        return past if past is not None and past.metadata == metadata else None


def _first_choice(jobs: list[Job]) -> Job | None:
    """Which of the jobs of a request, oldest first, is the one to tell of."""
    return min(jobs, key=lambda job: (job.state == "CANCELLED", was_cancelled_unstarted(job)), default=None)


def _may_have_given_way(job: Job, lost: JobView) -> bool:
    """Whether it may have been a duplicate of a job that was lost later: then the request has none."""
    return was_cancelled_unstarted(job) and (job.snapshot.submit_time or 0) <= lost.seen_at
