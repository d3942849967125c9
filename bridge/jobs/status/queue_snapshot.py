"""The bridge's own jobs by id and by key: those in the queue, and those that have left it."""

import time
from collections import OrderedDict
from collections.abc import Iterable

from bridge.jobs.status.gone_jobs import GoneJobs
from bridge.jobs.status.job_changes import JobChange
from bridge.jobs.status.job_view import Job, JobView, Origin, without_another_run
from bridge.slurm.messages import QueueChange

REMEMBERED_MAX = 20_000  # jobs; some 1 kB each
REMEMBERED_SECONDS = 24 * 3600.0


class QueueSnapshot:
    """The queue as the last look has shown it. For one thread at a time."""

    def __init__(self, remembered_max: int = REMEMBERED_MAX) -> None:
        self._remembered_max = remembered_max
        self._made_at = time.time()
        self.looked_at = 0.0  # when the queue stood like this, in seconds since the epoch
        self.complete_since = self._made_at  # of jobs that had left the queue before then some may be missing
        self.pending = 0  # jobs that waited then
        self._jobs: dict[str, Job] = {}
        self._ids_by_key: dict[str, tuple[str, ...]] = {}  # a set takes four times the memory
        # Not in the queue any more, the first that left first; see `SubmissionLedger` for why it is no plain dict.
        self._remembered: OrderedDict[str, JobView] = OrderedDict()
        self._gone = GoneJobs(remembered_max)
        self._replacing: dict[str, Job] = {}  # by the id of a job: the one that was submitted instead
        self._newest_first: list[Job] | None = None  # None: to be sorted again

    def in_queue(self, job_id: str) -> JobView | None:
        """How the job stands in the queue; `None` where it is not there."""
        job = self._jobs.get(job_id)
        return None if job is None else JobView(job, Origin.CONTROLLER, self.looked_at)

    def unfinished(self) -> list[Job]:
        """The jobs in the queue that have not ended."""
        return [job for job in self._jobs.values() if not job.is_finished]

    def remembered(self, job_id: str) -> JobView | None:
        """How the job stood when it left the queue; `None` where it has not, or was forgotten."""
        return self._remembered.get(job_id)

    def lacks(self, unseen: JobView) -> bool:
        """Whether a job of the ledger is not in the queue, but at most one that had its id before."""
        in_queue = self._jobs.get(unseen.id)
        return in_queue is None or in_queue.key != unseen.job.key

    def newest_first(self, unseen: Iterable[JobView]) -> list[Job]:
        """All jobs, those of the ledger too. The list is not to be changed."""
        if self._newest_first is None:
            jobs = [*(view.job for view in self._remembered.values()), *self._jobs.values()]
            self._newest_first = sorted(jobs, key=lambda job: job.order, reverse=True)
        news = {view.id: view.job for view in unseen if self.lacks(view)}
        if not news:
            return self._newest_first
        others = self._newest_first
        if not (news.keys().isdisjoint(self._jobs) and news.keys().isdisjoint(self._remembered)):
            others = [job for job in others if job.id not in news]
        latest = sorted(news.values(), key=lambda job: job.order, reverse=True)
        if others and others[0].order > latest[-1].order:  # seldom: what was submitted since the last look is newer
            return sorted([*latest, *others], key=lambda job: job.order, reverse=True)
        return [*latest, *others]

    def with_key(self, key: str) -> list[Job]:
        """The jobs that have `key`, in the queue or seen to end, oldest first."""
        jobs = [self._jobs[job_id] for job_id in self._ids_by_key.get(key, ())]
        gone = [view.job for view in self._gone.with_key(key) if view.is_finished]
        ended = [old for old in gone if not any(old.is_same(job) for job in jobs)]
        return sorted([*ended, *jobs], key=lambda job: job.order)

    def lost_with_key(self, key: str) -> list[JobView]:
        """The jobs that have `key` and have left the queue without having been seen to end, as they were seen last."""
        return [view for view in self._gone.with_key(key) if not view.is_finished]

    def shared_keys(self) -> list[str]:
        """The keys that more than one job in the queue has."""
        return [key for key, job_ids in self._ids_by_key.items() if len(job_ids) > 1]

    def apply(self, change: QueueChange, jobs: list[Job], looked_at: float) -> list[JobChange]:
        """Bring it up to a look that was begun at `looked_at`. `jobs` are the bridge's own of those in `change`.

        Returns which jobs have changed, come or gone.
        """
        gone = self._jobs.keys() - {job.id for job in jobs} if change.is_full else change.gone
        changes = [JobChange(job, None) for job_id in gone if (job := self._leave(job_id))]
        self._replacing.update((job_id, job) for job in jobs for job_id in job.replaced_ids)
        changes += [change for job in jobs for change in self._put(job)]
        self.looked_at = looked_at
        self._forget_old()
        if changes:
            self._newest_first = None
        return changes

    def miss(self, view: JobView) -> None:
        """The controller has accepted this job and the queue does not show it: remember it as lost.

        Unless it was there meanwhile, and has left the queue since.
        """
        known = self._remembered.get(view.id)
        if view.id not in self._jobs and not (known and known.job.is_same(view.job)):
            self._remembered[view.id] = JobView(view.job, Origin.MEMORY, view.seen_at)
            self._gone.note(view)
            self._newest_first = None

    def _put(self, job: Job) -> list[JobChange]:
        before = self._take_off(job.id)
        if before is not None and not before.is_finished and not before.is_same(job):  # its id has come again
            self._gone.note(JobView(before, Origin.MEMORY, self.looked_at))
        remembered = self._remembered.pop(job.id, None)
        self._jobs[job.id] = job
        replacing = self._replacing.get(job.id)
        if replacing and job.state == "CANCELLED" and replacing.replaces(job):
            job.replaced_by = replacing.id
        self.pending += job.is_pending
        key = job.key
        self._ids_by_key[key] = (*self._ids_by_key.get(key, ()), job.id)
        if job.is_finished:
            self._gone.note(JobView(job, Origin.CONTROLLER, self.looked_at))
        else:
            self._gone.take_back(job)
        known = before or (remembered.job if remembered else None)
        if known is not None and known.key != job.key:  # the id of another job, given again after a controller's crash
            return [*([JobChange(before, None)] if before else []), JobChange(None, job, self._is_end(None, job))]
        return [JobChange(before, job, self._is_end(known, job))]

    def _is_end(self, known: Job | None, job: Job) -> bool:
        """Whether the job has ended since the bridge looks, and was not `known` to have."""
        ended_before = known.is_finished if known else (job.snapshot.end_time or 0) < int(self._made_at)
        return job.is_finished and not ended_before

    def _leave(self, job_id: str) -> Job | None:
        job = self._take_off(job_id)
        if job is not None:
            job = without_another_run(job)
            self._remembered[job_id] = view = JobView(job, Origin.MEMORY, self.looked_at)
            self._gone.note(view)
            for replaced_id in job.replaced_ids:
                self._replacing.pop(replaced_id, None)
        return job

    def _take_off(self, job_id: str) -> Job | None:
        job = self._jobs.pop(job_id, None)
        if job is None:
            return None
        self.pending -= job.is_pending
        key = job.key
        if others := tuple(other for other in self._ids_by_key.pop(key) if other != job_id):
            self._ids_by_key[key] = others
        return job

    def _forget_old(self) -> None:
        oldest_seen_at = self.looked_at - REMEMBERED_SECONDS
        while self._remembered:
            job_id, view = next(iter(self._remembered.items()))
            if len(self._remembered) <= self._remembered_max and view.seen_at >= oldest_seen_at:
                return
            self.complete_since = max(self.complete_since, view.seen_at)
            del self._remembered[job_id]
