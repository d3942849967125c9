"""What is put right after a bridge has ended between the two jobs of a chain: see `ChainSubmitter`."""

import logging
import time
from collections.abc import Callable, Sequence

from bridge.core.deadline import Deadline
from bridge.jobs.status.job_changes import JobChange
from bridge.jobs.status.job_view import Job
from bridge.jobs.submission.arrays import by_array, cancellation_of
from bridge.jobs.submission.known_jobs import KnownJobs
from bridge.slurm.gateway import Gateway
from bridge.slurm.job_ids import whole_id

log = logging.getLogger(__name__)

ABANDONED_SECONDS = 60.0  # no request takes so long, nor does one that completes a job of `FRESH_SECONDS`


class HeldJobs:
    """The first jobs of chains that are held, as the looks at the queue show them. An observer of the queue cache."""

    def __init__(self) -> None:
        self._seen_at_seconds: dict[str, float] = {}  # by job id: since when, on the monotonic clock
        self._jobs: dict[str, Job] = {}
        self.on_new: Callable[[], None] = lambda: None

    def observe(self, changes: Sequence[JobChange]) -> None:
        """Take in what a look has shown."""
        before = len(self._jobs)
        for change in changes:
            if change.before is not None:
                self._jobs.pop(change.before.id, None)
            if change.after is not None and change.after.is_held:
                self._jobs[change.after.id] = change.after
                self._seen_at_seconds.setdefault(change.after.id, time.monotonic())
        self._seen_at_seconds = {job_id: at for job_id, at in self._seen_at_seconds.items() if job_id in self._jobs}
        if len(self._jobs) > before:
            self.on_new()

    def __bool__(self) -> bool:
        return bool(self._jobs)

    def jobs(self) -> list[Job]:
        """All of them."""
        return list(self._jobs.values())

    def are_abandoned(self, jobs: Sequence[Job]) -> bool:
        """Whether they have been held for so long that no request is about to complete them."""
        since_seconds = min(self._seen_at_seconds.get(job.id, time.monotonic()) for job in jobs)
        return time.monotonic() - since_seconds > ABANDONED_SECONDS


class ChainRecovery:
    """Lets a held job begin whose follower is there, and cancels one that has had none for a while."""

    def __init__(self, gateway: Gateway, known_jobs: KnownJobs, held: HeldJobs) -> None:
        self._gateway = gateway
        self._known_jobs = known_jobs
        self._held = held

    @property
    def has_work(self) -> bool:
        """Whether any job is held."""
        return bool(self._held)

    def settle(self, deadline: Deadline) -> None:
        """Do it, after a look at the queue. Raises what `Gateway.release` and `cancel` raise."""
        for jobs in by_array(self._held.jobs(), lambda job: job.id):
            job_id = whole_id(jobs[0].id)
            if any(self._known_jobs.follow_up_of(job) for job in jobs):
                self._gateway.release(job_id, deadline)
                log.warning("let a job begin that an interrupted request had left", extra={"job_id": job_id})
            elif self._held.are_abandoned(jobs) and self._gateway.cancel(
                cancellation_of(jobs, only_waiting=True), deadline
            ):
                log.warning("cancelled a job that an interrupted request had left", extra={"job_id": job_id})
