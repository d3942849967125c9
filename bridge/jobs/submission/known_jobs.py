"""Whether a request has its job: in the queue, among those that were seen to end, or in accounting.

A job that is not in the queue any more is not lost: it may have ended, and the controller forgets it after `MinJobAge`.
"""

from bridge.core.deadline import Deadline
from bridge.core.errors import IdempotencyMismatchError
from bridge.jobs.requests.idempotency import IdentityHashes, RequestIdentity
from bridge.jobs.requests.metadata import JobMetadata, element_key
from bridge.jobs.status.job_view import Job, JobView
from bridge.jobs.status.past_jobs import PastJobs
from bridge.jobs.status.queue_cache import QueueCache
from bridge.jobs.submission.duplicates import was_cancelled_unstarted, without_copies
from bridge.jobs.submission.key_history import KeyHistory
from bridge.slurm.job_ids import index_of


class KnownJobs:
    """Answers as of the last look at the queue. Safe to use from many threads."""

    def __init__(self, cache: QueueCache, past_jobs: PastJobs, key_history: KeyHistory, hashes: IdentityHashes) -> None:
        self._hashes = hashes
        self._cache = cache
        self._past_jobs = past_jobs
        self._key_history = key_history

    def of(self, identity: RequestIdentity, deadline: Deadline) -> Job | None:
        """The job that the request has already. Two requests with one key have one each if they came together.

        Raises `IdempotencyMismatchError` where only another request has one, and what `PastJobs.find` does where the
        request had one that has left the queue.
        """
        self._key_history.wait(deadline)
        seen = self._seen(identity)
        with_keys = (view for key in identity.keys for view in self._cache.lost_with_key(key))
        lost = [view for view in with_keys if identity.is_of(view.job.metadata)]
        if seen and not any(_may_have_given_way(seen, view) for view in lost):
            return seen
        ended = [(view, self._past(view.id, view.job.metadata, deadline)) for view in lost]
        job = _first_choice([*([seen] if seen else []), *(past for _, past in ended if past)])
        has_none = job is None or any(_may_have_given_way(job, view) for view, past in ended if past is None)
        return None if has_none else job

    def with_key(self, identity: RequestIdentity, key: str) -> Job | None:
        """The job that the request, or the element of its array with this key, has as of the last look."""
        own = (job for job in self._with_key(key) if identity.is_of(job.metadata) and not self._was_taken_back(job))
        return _first_choice(without_copies(own))

    def follow_up_of(self, first: Job) -> Job | None:
        """The job that follows `first`, as of the last look."""
        key = self._hashes.follow_up_key(first.metadata)
        if first.index is None:
            return self._made_with_key(key)
        own = self._made_with_key(element_key(key, first.index))
        if own is not None:
            return own
        last = self._made_with_key(element_key(key, first.metadata.run_of(first.index)[-1]))
        return last if last and last.is_shared else None

    def has_submitted(self, job: Job) -> bool:
        """Whether a bridge has submitted it, and no other program with a comment of its own or a copied one."""
        originals = without_copies(self._with_key(job.key))
        return self._hashes.has_made(job.metadata) and any(job.id == original.id for original in originals)

    def _made_with_key(self, key: str) -> Job | None:
        return _first_choice(without_copies(job for job in self._with_key(key) if self._hashes.has_made(job.metadata)))

    def _was_taken_back(self, job: Job) -> bool:
        """Whether it was cancelled as none was there to follow it: its request is as if it had not come."""
        return job.metadata.qaqc and was_cancelled_unstarted(job) and self.follow_up_of(job) is None

    def _seen(self, identity: RequestIdentity) -> Job | None:
        own = [job for key in identity.keys if (job := self.with_key(identity, key))]
        with_keys = (job.metadata for key in identity.keys for job in self._with_key(key))
        if not own and any(identity.has_key_of(job) and not identity.is_of(job) for job in with_keys):
            raise IdempotencyMismatchError(
                "This Idempotency-Key was used for another request. Use a new key for a new request."
            )
        return _first_choice(own)

    def _with_key(self, key: str) -> list[Job]:
        """Of the past as well, oldest first."""
        earlier, jobs = self._key_history.with_key(key), self._cache.with_key(key)
        return sorted([*earlier, *jobs], key=lambda job: job.order) if earlier else jobs

    def have(self, job_id: str, metadata: JobMetadata, deadline: Deadline) -> bool:
        """Whether the request of a job that was accepted with this id has one still, or had one that has ended.

        Raises what `PastJobs.find` does.
        """
        key = metadata.key_of(index_of(job_id))
        of_request = (job for job in self._cache.with_key(key) if job.metadata.digest == metadata.digest)
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
    is_earlier = (job.snapshot.submit_time or 0) <= lost.seen_at
    return was_cancelled_unstarted(job) and is_earlier and job.key == lost.job.key
