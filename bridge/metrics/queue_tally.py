"""The jobs in the queue, counted by kind and state, kept up with each look: a scrape does not go through them."""

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from bridge.jobs.status.job_changes import JobChange
from bridge.jobs.status.job_view import Job

REASONS_MAX = 10  # of each kind; reasons beyond, of which the fewest jobs wait for, are counted as `other`
OTHER = "other"
NO_REASON = "None"  # Slurm's word


class QueueTally:
    """An observer of the queue cache. One thread changes it, any may read."""

    def __init__(self) -> None:
        self._states: Counter[tuple[str, str]] = Counter()  # by kind and state
        self._reasons: Counter[tuple[str, str]] = Counter()  # of jobs that wait, by kind and reason
        self._waiting: dict[str, dict[str, int]] = {}  # by kind: when each job that waits was submitted

    def observe(self, changes: Sequence[JobChange]) -> None:
        """Take in what a look has shown."""
        for change in changes:
            if change.before is not None:
                self._count(change.before, -1)
            if change.after is not None:
                self._count(change.after, 1)

    def states(self) -> dict[tuple[str, str], int]:
        """How many jobs there are, by kind and state."""
        return {labels: count for labels, count in self._states.copy().items() if count}

    def reasons(self) -> dict[tuple[str, str], int]:
        """For what jobs wait, by kind and reason, without the details that Slurm may append to it."""
        named: Counter[tuple[str, str]] = Counter()
        shown: Counter[str] = Counter()
        for (kind, reason), count in self._reasons.copy().most_common():
            shown[kind] += count > 0
            named[kind, reason if shown[kind] <= REASONS_MAX else OTHER] += count
        return {labels: count for labels, count in named.items() if count}

    def oldest_submitted_at(self) -> dict[str, int | None]:
        """By kind, when the job that waits longest was submitted, in seconds since the epoch; `None`: none waits."""
        return {kind: min(waiting.copy().values(), default=None) for kind, waiting in self._waiting.copy().items()}

    def _count(self, job: Job, difference: int) -> None:
        self._states[job.kind, job.state] += difference
        waiting = self._waiting.setdefault(job.kind, {})
        if not job.is_pending:
            return
        self._reasons[job.kind, _without_details(job.snapshot.state_reason or NO_REASON)] += difference
        if difference > 0:
            waiting[job.id] = job.snapshot.submit_time or 0
        else:
            waiting.pop(job.id, None)


@lru_cache(maxsize=256)  # most jobs wait for the same
def _without_details(reason: str) -> str:
    return re.split("[,:(]", reason)[0]
