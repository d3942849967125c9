"""What is put right in chains of two jobs (`ChainSubmitter`), as far as the queue shows it.

After a bridge has ended between the two: a held job is let begin whose follower is there, and cancelled where it has
had none for a while. And where a job that had failed runs again, whoever wanted that: Slurm has cancelled the one that
was to follow it, which waits again then.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from msgspec.structs import replace

from bridge.core.deadline import Deadline
from bridge.core.errors import SlurmRefusedError, TooManyRequestsError
from bridge.jobs.status.job_changes import JobChange
from bridge.jobs.status.job_view import Job
from bridge.jobs.submission.arrays import by_array, cancellation_of
from bridge.jobs.submission.known_jobs import KnownJobs
from bridge.jobs.submission.retry import not_changed
from bridge.slurm.gateway import Gateway
from bridge.slurm.job_ids import whole_id

log = logging.getLogger(__name__)

MARGIN_SECONDS = 15.0  # beyond a request's time


class OpenChains:
    """The first jobs of chains that may need something done, as looks show them. An observer of the queue cache."""

    def __init__(self, request_seconds: float) -> None:
        """`request_seconds` is the time that a request may take, at each of the bridges."""
        # A held job may be completed for so long. It is cancelled when no request that has begun to is at work.
        self.fresh_seconds = request_seconds + MARGIN_SECONDS
        self._abandoned_seconds = 2 * self.fresh_seconds
        self._held: dict[str, tuple[Job, float]] = {}  # and since when, on the monotonic clock
        self._restarted: dict[str, Job] = {}  # they had ended, and wait or run again
        self._replaceable: dict[str, Job] = {}  # followers that wait for more jobs to follow
        self.on_new: Callable[[], None] = lambda: None

    def observe(self, changes: Sequence[JobChange]) -> None:
        """Take in what a look has shown."""
        is_new = False
        for change in changes:
            _, since_seconds = self._held.pop(change.before.id, (None, None)) if change.before else (None, None)
            if change.before:
                self._replaceable.pop(change.before.id, None)
            job = change.after
            if job is None:
                continue
            if job.metadata.until is not None and job.is_pending:
                self._replaceable[job.id] = job
            if not job.metadata.qaqc:
                continue
            if job.is_held:
                self._held[job.id] = job, since_seconds or time.monotonic()
                is_new = True
            elif job.snapshot.restarts and (not job.is_finished or job.id in self._restarted):
                self._restarted[job.id] = job
                is_new = True
        if is_new:
            self.on_new()

    def __bool__(self) -> bool:
        return bool(self._held or self._restarted)

    def held(self) -> list[Job]:
        """Those that wait for their followers."""
        return [job for job, _ in list(self._held.values())]

    def are_abandoned(self, jobs: Sequence[Job]) -> bool:
        """Whether they have been held for so long that no request is about to complete them."""
        now_seconds = time.monotonic()
        since_seconds = min(self._held.get(job.id, (job, now_seconds))[1] for job in jobs)
        return now_seconds - since_seconds > self._abandoned_seconds

    def replaceable(self, now: float) -> list[Job]:
        """The followers that wait for more jobs to follow at `now`, in seconds since the epoch, oldest first."""
        jobs = (job for job in list(self._replaceable.values()) if (job.metadata.until or 0) > now)
        return sorted(jobs, key=lambda job: job.order)

    def restarted(self) -> list[Job]:
        """Those that run again, and whose followers have not been seen to since."""
        return list(self._restarted.values())

    def close(self, job: Job) -> None:
        """The follower of one that runs again is seen to."""
        self._restarted.pop(job.id, None)


class ChainRecovery:
    """Sees to open chains."""

    def __init__(self, gateway: Gateway, known_jobs: KnownJobs, chains: OpenChains) -> None:
        self._gateway = gateway
        self._known_jobs = known_jobs
        self._chains = chains

    @property
    def has_work(self) -> bool:
        """Whether any chain is open."""
        return bool(self._chains)

    def settle(self, deadline: Deadline) -> None:
        """See to them, after a look at the queue. Raises what the gateway does where Slurm does not answer."""
        for jobs in by_array(self._chains.held(), lambda job: job.id):
            with _telling_of_refusals(jobs[0]):
                self._settle_held(jobs, deadline)
        for job in self._chains.restarted():
            follower = self._known_jobs.follow_up_of(job)
            if follower is not None:
                if _is_yet_to_end(follower):
                    continue
                with _telling_of_refusals(job):
                    self._settle_restarted(job, follower, deadline)
            self._chains.close(job)

    def _settle_restarted(self, first: Job, follower: Job, deadline: Deadline) -> None:
        if _has_followed(follower, first):
            return
        if follower.was_in_vain or follower.is_shared or follower.is_left_held:
            # Of several that it followed, this one's data is what has not been checked.
            request = replace(follower.requeue(), dependency=f"afterok:{first.id}")
            (outcome,) = self._gateway.requeue([request], deadline)
            about = {"job_id": follower.id, "first": first.id}
            if outcome.is_taken:
                log.info("a job waits for one that runs again", extra={**about, **not_changed(outcome)})
            elif outcome.code:
                log.warning("a job does not wait for one that runs again", extra={**about, "detail": outcome.message})

    def _settle_held(self, jobs: list[Job], deadline: Deadline) -> None:
        job_id = whole_id(jobs[0].id)
        if any(self._known_jobs.follow_up_of(job) for job in jobs):
            self._gateway.release(job_id, deadline)
            log.warning("let a job begin that an interrupted request had left", extra={"job_id": job_id})
        elif self._chains.are_abandoned(jobs):
            self._gateway.cancel(cancellation_of(jobs, only_waiting=True), deadline)
            log.warning("cancelled a job that an interrupted request had left", extra={"job_id": job_id})


def _is_yet_to_end(follower: Job) -> bool:
    """Whether it is shared, and may have begun before the job that it follows ran again."""
    return follower.is_shared and not (follower.has_ended or follower.is_left_held)


def _has_followed(follower: Job, first: Job) -> bool:
    """Whether it began after the end of the latest run of `first`."""
    began, ended = follower.snapshot.start_time, first.snapshot.end_time
    return first.is_finished and began is not None and ended is not None and began >= ended


@contextmanager
def _telling_of_refusals(first: Job) -> Iterator[None]:
    try:
        yield
    except (SlurmRefusedError, TooManyRequestsError) as error:
        log.warning("a chain of jobs is left as it is", extra={"job_id": first.id, "detail": str(error)})
