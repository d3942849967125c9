"""Running again the jobs that ended badly for one cause, each once.

The caller names the moment by which they had ended. A job that runs again ends later. So the same call, made again and
to whichever bridge, finds those that are left, and in the end none.
"""

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from bridge.core.deadline import Deadline
from bridge.jobs.failures.failures import FailureFilter, Failures, by_end
from bridge.jobs.failures.policy import SLURMS_PAUSE_SECONDS, RetryPolicy
from bridge.jobs.status.job_view import JobView
from bridge.jobs.status.queue_cache import QueueCache
from bridge.jobs.submission.retry import FORGOTTEN, not_changed, refusal
from bridge.slurm.gateway import Gateway

log = logging.getLogger(__name__)

AT_ONCE = 100  # jobs in one message to a worker; they take it a fraction of a second
SPARE_SECONDS = 3.0  # of a request's time: with less no more jobs are begun with


@dataclass(slots=True)
class Rerun:
    """What became of a call."""

    job_ids: list[str] = field(default_factory=list)  # of those that run again
    refused: dict[str, str] = field(default_factory=dict)  # why the job with this id does not
    left: int = 0  # how many there was no time for


class FailureRerunner:
    """Runs jobs of the bridge again that ended badly. Safe to use from many threads."""

    def __init__(self, gateway: Gateway, cache: QueueCache, failures: Failures, policy: RetryPolicy) -> None:
        self._gateway = gateway
        self._cache = cache
        self._failures = failures
        self._policy = policy
        self._lock = threading.Lock()
        self._next_begin: dict[FailureFilter, float] = {}  # of calls with `per_minute`, in seconds since the epoch

    def preview(self, wanted: FailureFilter, deadline: Deadline) -> Rerun:
        """What `run` would do, if Slurm agreed to all. Raises what `Failures.find` does."""
        views, rerun = self._runnable(wanted, deadline)
        rerun.job_ids = [view.id for view in views]
        return rerun

    def run(self, wanted: FailureFilter, per_minute: int | None, deadline: Deadline) -> Rerun:
        """Run them again, those that ended first first; `per_minute`: how many of them may begin in a minute.

        Raises what `QueueCache.take_look` and `Gateway.requeue` raise; jobs that are in the queue again by then stay.
        """
        self._cache.take_look(deadline)
        views, rerun = self._runnable(wanted, deadline)
        last_begun = deadline.earlier_by(SPARE_SECONDS)
        for start in range(0, len(views), AT_ONCE):
            if not last_begun.remaining_seconds:
                rerun.left = len(views) - start
                break
            some = views[start : start + AT_ONCE]
            self._requeue(some, self._begin_times(wanted, len(some), per_minute), rerun, deadline)
        log.info("jobs are run again", extra={"jobs": len(rerun.job_ids), "refused": len(rerun.refused)})
        return rerun

    def _runnable(self, wanted: FailureFilter, deadline: Deadline) -> tuple[list[JobView], Rerun]:
        """The jobs that Slurm can run again, the first to end first, and beside them why others do not."""
        views = [view for group in self._failures.find(wanted, deadline).groups for view in group.views]
        views.sort(key=by_end)
        forgotten = {view.id: FORGOTTEN for view in views if not view.may_run_again}
        return [view for view in views if view.may_run_again], Rerun(refused=forgotten)

    def _requeue(
        self, views: Sequence[JobView], begin_times: Sequence[int | None], rerun: Rerun, deadline: Deadline
    ) -> None:
        by_hand = self._policy.requeue_by_hand
        requests = [replace(by_hand(view.job), begin_time=at) for view, at in zip(views, begin_times, strict=True)]
        for request, outcome in zip(requests, self._gateway.requeue(requests, deadline), strict=True):
            if outcome.is_taken:
                self._policy.note_asked(request)
                if outcome.message:
                    log.warning("a job runs again", extra={"job_id": request.job_id, **not_changed(outcome)})
                rerun.job_ids.append(request.job_id)
            else:
                rerun.refused[request.job_id] = str(refusal(outcome))

    def _begin_times(self, wanted: FailureFilter, jobs: int, per_minute: int | None) -> list[int | None]:
        """When the next so many of them may begin: after those of an earlier call, which left these."""
        if per_minute is None:
            return [None] * jobs
        now = time.time()
        with self._lock:
            first = max(now + SLURMS_PAUSE_SECONDS, self._next_begin.get(wanted, 0.0))
            waiting = {each: begin for each, begin in self._next_begin.items() if begin > now}
            self._next_begin = {**waiting, wanted: first + 60 * jobs / per_minute}
        return [int(first + 60 * place / per_minute) for place in range(jobs)]
