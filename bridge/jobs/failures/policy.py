"""Which jobs run again by themselves, when, and with what."""

import math
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import TypeVar

from msgspec.structs import replace

from bridge.config.kinds import KindSettings
from bridge.jobs.failures.bad_nodes import BadNodes
from bridge.jobs.failures.causes import cause_of, in_words
from bridge.jobs.requests.metadata import JobMetadata
from bridge.jobs.status.job_view import Job
from bridge.slurm.messages import JobSnapshot, Requeue
from bridge.slurm.states import FINISHED_STATES

SLURMS_PAUSE_SECONDS = 120  # before a job runs again, unless `cred_expire` says otherwise
ASKED_SECONDS = 60.0  # for which a controller that crashes may forget that it was asked for another run
REMEMBERED_MAX = 10_000
OUT_OF_MEMORY = ("out_of_memory", "signal_9")  # without cgroups Slurm kills the job, and calls it no more than that

K = TypeVar("K")
V = TypeVar("V")


class RetryPolicy:
    """Decides by the settings, and by what a job says of itself: so all bridges decide alike. For many threads."""

    def __init__(self, kinds: Mapping[str, KindSettings], bad_nodes: BadNodes) -> None:
        self._kinds = kinds
        self._bad_nodes = bad_nodes
        self._refused: OrderedDict[tuple[str, int | None], None] = OrderedDict()  # runs, by id and time of submission
        # By job id: of which run another one was asked for, and when on the monotonic clock.
        self._asked: OrderedDict[str, tuple[int | None, float]] = OrderedDict()

    def runs_again(self, job: JobSnapshot, metadata: JobMetadata) -> bool:
        """Whether a bridge is to put the job back into the queue: its run has ended, and another one may end well."""
        if job.state not in FINISHED_STATES or (job.job_id, job.submit_time) in self._refused:
            return False
        asked_of, asked_at_seconds = self._asked.get(job.job_id, (None, -math.inf))
        if asked_of == job.submit_time and time.monotonic() - asked_at_seconds < ASKED_SECONDS:
            return True
        kind, attempts = self._kinds.get(metadata.kind), metadata.attempts
        if kind is None or attempts is None or job.restarts + 1 >= attempts:
            return False
        return cause_of(job) in kind.retry_causes

    def requeue_by_hand(self, job: Job) -> Requeue:
        """The request to run it again, for somebody who asks."""
        return replace(job.requeue(), excluded_nodes=self._bad_nodes.left_out(job.kind, job.metadata.lane))

    def requeue(self, job: Job) -> Requeue:
        """The request to run it again, later each time."""
        kind, cause = self._kinds.get(job.kind), cause_of(job.snapshot)
        if kind is None or job.metadata.attempts is None or cause is None or cause not in kind.retry_causes:
            return self.requeue_by_hand(job)
        pause_seconds = min(kind.retry_pause_seconds * 2 ** (job.attempt - 1), kind.retry_pause_max_seconds)
        is_longer = pause_seconds > SLURMS_PAUSE_SECONDS
        return replace(
            self.requeue_by_hand(job),
            begin_time=int(time.time() + pause_seconds) if is_longer else None,
            note=f"attempt {job.attempt + 1} of {job.metadata.attempts}: {in_words(cause, job.snapshot.nodes)}",
            memory_max_mib=kind.retry_memory_max_mib if cause in OUT_OF_MEMORY else None,
            time_max_minutes=kind.retry_time_max_minutes if cause == "time_limit" else None,
        )

    def note_asked(self, job: Requeue) -> None:
        """Slurm has taken this. If it forgets that, and shows the job as it was before, it is asked again."""
        _remember(self._asked, job.job_id, (job.submit_time, time.monotonic()))

    def note_cancelled(self, job_id: str) -> None:
        """It is not asked for again."""
        self._asked.pop(job_id, None)

    def note_refused(self, job: Job) -> None:
        """Slurm does not let it run again."""
        _remember(self._refused, (job.id, job.snapshot.submit_time), None)


def _remember(runs: OrderedDict[K, V], run: K, value: V) -> None:
    """A plain dict that loses its first again and again is slow to tell the next one."""
    runs[run] = value
    if len(runs) > REMEMBERED_MAX:
        runs.popitem(last=False)
