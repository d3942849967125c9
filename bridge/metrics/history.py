"""What became of jobs, minute by minute for a day: in memory, as long as the service runs, for people to look at."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bridge.jobs.status.job_changes import JobChange
from bridge.jobs.status.job_view import Job
from bridge.metrics.queue_tally import QueueTally
from bridge.slurm.states import FINISHED_STATES

MINUTE_SECONDS = 60
MINUTES_MAX = 24 * 60


@dataclass(slots=True)
class Durations:
    """How many there were, all of them together, and the longest, in seconds."""

    count: int = 0
    total_seconds: int = 0
    longest_seconds: int = 0

    def note(self, begin: int | None, end: int | None) -> None:
        """One more, from `begin` to `end`, where both are known."""
        if begin is not None and end is not None:
            seconds = max(0, end - begin)
            self.add(Durations(1, seconds, seconds))

    def add(self, other: "Durations") -> None:
        """And those of `other`."""
        self.count += other.count
        self.total_seconds += other.total_seconds
        self.longest_seconds = max(self.longest_seconds, other.longest_seconds)


@dataclass(slots=True)
class Ends:
    """How many jobs ended, by how. `unseen`: they left the queue, and how they ended was not seen."""

    ended_well: int = 0
    failed: int = 0
    cancelled: int = 0
    unseen: int = 0

    def add(self, other: "Ends") -> None:
        """And those of `other`."""
        self.ended_well += other.ended_well
        self.failed += other.failed
        self.cancelled += other.cancelled
        self.unseen += other.unseen


@dataclass(slots=True)
class Period:
    """From `at`, in seconds since the epoch. `waiting` and `running` are of the last look in it.

    `waits` are of jobs that began in it, `runs` of those that ended.
    """

    at: int
    waiting: int = 0
    running: int = 0
    ends: Ends = field(default_factory=Ends)
    waits: Durations = field(default_factory=Durations)
    runs: Durations = field(default_factory=Durations)

    def add(self, later: "Period") -> None:
        """And `later`, which follows."""
        self.waiting, self.running = later.waiting, later.running
        self.ends.add(later.ends)
        self.waits.add(later.waits)
        self.runs.add(later.runs)


class JobHistory:
    """An observer of the queue cache that hears after `tally`. Safe to read from many threads.

    A minute without a look at the queue is not there: the controller did not answer.
    """

    def __init__(self, tally: QueueTally, clock: Callable[[], float] = time.time) -> None:
        self._tally = tally
        self._clock = clock
        self._lock = threading.Lock()
        self._minutes: deque[Period] = deque(maxlen=MINUTES_MAX)
        self.began_at = clock()  # in seconds since the epoch; of what was before nothing is known

    def observe(self, changes: Sequence[JobChange]) -> None:
        """Take in what a look has shown."""
        with self._lock:
            minute = self._present_minute()
            minute.waiting, minute.running = self.now()
            for change in changes:
                self._take_in(change, minute)

    def now(self) -> tuple[int, int]:
        """How many jobs wait and run, as of the last look."""
        states = self._tally.states()
        waiting = sum(count for (_, state), count in states.items() if state == "PENDING")
        unfinished = sum(count for (_, state), count in states.items() if state not in FINISHED_STATES)
        return waiting, unfinished - waiting

    def periods(self, span_seconds: int, step_seconds: int) -> list[Period]:
        """The last `span_seconds`, in steps of so many, the oldest first."""
        oldest_at = self._clock() - span_seconds
        steps: list[Period] = []
        with self._lock:
            for minute in self._minutes:
                if minute.at <= oldest_at:
                    continue
                at = minute.at - minute.at % step_seconds
                if not steps or steps[-1].at != at:
                    steps.append(Period(at))
                steps[-1].add(minute)
        return steps

    def _present_minute(self) -> Period:
        at = int(self._clock())
        at -= at % MINUTE_SECONDS
        if not self._minutes or self._minutes[-1].at < at:
            self._minutes.append(Period(at))
        return self._minutes[-1]

    def _take_in(self, change: JobChange, minute: Period) -> None:
        if change.is_unseen_end:
            minute.ends.unseen += 1
        job = change.after
        if job is None:
            return
        if change.is_end:
            minute.ends.add(_end_of(job))
        snapshot = job.snapshot
        if snapshot.nodes is None:  # it has not begun
            return
        if change.is_start_since(self.began_at):
            minute.waits.note(snapshot.submit_time, snapshot.start_time)
        if change.is_end:
            minute.runs.note(snapshot.start_time, snapshot.end_time)


def _end_of(job: Job) -> Ends:
    match job.state:
        case "COMPLETED":
            return Ends(ended_well=1)
        case "CANCELLED":
            return Ends(cancelled=1)
    return Ends(failed=1)
