"""The jobs that were seen to end or to leave the queue, by key: what the controller forgets of them is no loss."""

from collections import OrderedDict

from bridge.jobs.status.job_view import Job, JobView


class GoneJobs:
    """For one thread at a time. Keeps the jobs of `keys_max` keys, those that came last."""

    def __init__(self, keys_max: int) -> None:
        self._keys_max = keys_max
        # The key that was noted first comes first; see `SubmissionLedger` for why it is no plain dict.
        self._jobs: OrderedDict[str, tuple[JobView, ...]] = OrderedDict()

    def note(self, view: JobView) -> None:
        """The job has ended, or has left the queue as it stands."""
        self._jobs[view.job.key] = (*self._without(view.job), view)
        if len(self._jobs) > self._keys_max:
            self._jobs.popitem(last=False)

    def take_back(self, job: Job) -> None:
        """The job is in the queue, and has not ended."""
        if job.key in self._jobs and (others := self._without(job)):
            self._jobs[job.key] = others

    def with_key(self, key: str) -> tuple[JobView, ...]:
        """The jobs with this key, each as it was seen last."""
        return self._jobs.get(key, ())

    def _without(self, job: Job) -> tuple[JobView, ...]:
        return tuple(other for other in self._jobs.pop(job.key, ()) if not other.job.is_same(job))
