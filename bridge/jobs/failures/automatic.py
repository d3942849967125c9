"""A thread that runs jobs again whose fault may have passed, a moment after it was seen.

It keeps nothing of its own: that a job has ended, how often it has run and how often it may run is in Slurm. So a
bridge that is started goes on where another ended. Slurm lets one of two bridges put a job back into the queue.
"""

import logging
import threading
from collections import Counter
from collections.abc import Sequence

from bridge.core.deadline import Deadline
from bridge.core.errors import BridgeError
from bridge.jobs.failures.causes import cause_of
from bridge.jobs.failures.policy import RetryPolicy
from bridge.jobs.failures.reruns import AT_ONCE
from bridge.jobs.status.job_changes import JobChange
from bridge.jobs.status.job_view import Job
from bridge.jobs.status.queue_cache import QueueCache
from bridge.jobs.submission.retry import not_changed, refusal
from bridge.slurm.gateway import Gateway
from bridge.slurm.messages import RequeueOutcome

log = logging.getLogger(__name__)

RPC_SECONDS = 12.0  # longer than libslurm's own patience (MessageTimeout, 10 s)
PAUSE_SECONDS = 1.0  # after a controller that did not answer, and before a job is tried again
TRIES_MAX = 20  # of one run; Slurm does not take a job that it still cleans up after


class DueJobs:
    """An observer of the queue cache: the jobs that are to run again. Safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}
        self.has_any = threading.Event()

    def observe(self, changes: Sequence[JobChange]) -> None:
        """Take in what a look has shown."""
        with self._lock:
            for change in changes:
                if change.after is not None and change.after.runs_again:
                    self._jobs[change.after.id] = change.after
                elif job := change.after or change.before:
                    self._jobs.pop(job.id, None)
            self._tell()

    def some(self) -> list[Job]:
        """Those that come first, which stay in here."""
        with self._lock:
            return list(self._jobs.values())[:AT_ONCE]

    def drop(self, jobs: Sequence[Job]) -> None:
        """These are done with, unless they have changed meanwhile."""
        with self._lock:
            for job in jobs:
                if self._jobs.get(job.id) is job:
                    del self._jobs[job.id]
            self._tell()

    def _tell(self) -> None:
        if self._jobs:
            self.has_any.set()
        else:
            self.has_any.clear()


class AutomaticRetry:
    """The thread."""

    def __init__(self, gateway: Gateway, cache: QueueCache, policy: RetryPolicy, due: DueJobs) -> None:
        self._gateway = gateway
        self._cache = cache
        self._policy = policy
        self._due = due
        self._is_closed = threading.Event()
        self._tries: Counter[Job] = Counter()
        self.runs = 0  # that were begun since the start
        self._thread = threading.Thread(target=self._run, name="automatic-retry", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """Stop."""
        self._is_closed.set()
        self._due.has_any.set()

    def _run(self) -> None:
        while not self._is_closed.is_set():
            self._due.has_any.wait()
            try:
                self.run_due()
            except BridgeError as error:
                log.debug("the controller is being waited for", extra={"detail": str(error)})
                self._is_closed.wait(PAUSE_SECONDS)
            except Exception:  # this thread has to go on, or no job runs again any more
                log.exception("bug")
                self._is_closed.wait(PAUSE_SECONDS)

    def run_due(self) -> None:
        """Put some of the jobs that are due back into the queue. Raises what `Gateway.requeue` raises."""
        jobs = self._due.some()
        self._tries = Counter({job: self._tries[job] for job in jobs})
        if not jobs:
            return
        requests = [self._policy.requeue(job) for job in jobs]
        outcomes = self._gateway.requeue(requests, Deadline.after(RPC_SECONDS))
        done = [job for job, outcome in zip(jobs, outcomes, strict=True) if self._is_done(job, outcome)]
        self._due.drop(done)
        self._cache.take_look(Deadline.after(RPC_SECONDS))  # where another bridge was faster, it takes the others off
        if len(done) < len(jobs):
            self._is_closed.wait(PAUSE_SECONDS)

    def _is_done(self, job: Job, outcome: RequeueOutcome) -> bool:
        """Whether there is nothing more to do for this job."""
        about = {"job_id": job.id, "kind": job.kind, "cause": cause_of(job.snapshot), "attempt": job.attempt + 1}
        self._tries[job] += 1
        if outcome.is_taken:
            self.runs += 1
            log.info("a job runs again", extra={**about, **not_changed(outcome)})
        elif outcome.code or self._tries[job] == TRIES_MAX:
            log.warning("a job cannot run again", extra={**about, "detail": str(refusal(outcome))})
            self._policy.note_refused(job)
            self._cache.reconsider(job.id)
        else:
            return False
        return True
