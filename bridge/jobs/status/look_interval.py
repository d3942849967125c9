"""How often to look at the queue: by what a look costs, and by whether anything is read."""

import time
from dataclasses import dataclass

COST_SHARE = 4  # a look that takes long is begun after this many times as long
INTEREST_SECONDS = 5.0  # for so long after the last reader the cache is kept recent


@dataclass(frozen=True, slots=True)
class LookPace:
    """From the beginning of one look to that of the next, in seconds."""

    min_seconds: float = 1.0  # while there are readers
    max_seconds: float = 5.0  # the same where looks take long: it may only have been the controller that stalled
    # While there are no readers: often enough to see how a job has ended before the controller forgets it.
    idle_max_seconds: float = 30.0


USUAL_PACE = LookPace()


@dataclass(frozen=True, slots=True)
class Look:
    """When a look was begun: on the monotonic clock, and in seconds since the epoch."""

    at_seconds: float
    at: float


class LookInterval:
    """Moments are seconds on the monotonic clock."""

    def __init__(self, pace: LookPace) -> None:
        self._pace = pace
        self._look_seconds = 0.0  # what the last look took
        self._read_at_seconds = float("-inf")
        self._wanted_at_seconds = float("-inf")  # when a look was last asked for that is begun later

    def note_reader(self) -> None:
        """A reader has come."""
        self._read_at_seconds = time.monotonic()

    def note_look_wanted(self) -> float:
        """A reader needs a look that is begun from now on. Returns that moment."""
        self._read_at_seconds = self._wanted_at_seconds = time.monotonic()
        return self._wanted_at_seconds

    def note_look(self, took_seconds: float) -> None:
        """A look has succeeded."""
        self._look_seconds = took_seconds

    def next_seconds(self, looked_at_seconds: float, *, is_busy: bool, min_job_age_seconds: int) -> float:
        """From the last look, begun at `looked_at_seconds`, to the next; `is_busy`: there is a reason not to idle."""
        if self._wanted_at_seconds > looked_at_seconds:
            return self._pace.min_seconds
        if is_busy or time.monotonic() < self._read_at_seconds + INTEREST_SECONDS:
            return self._busy_seconds
        return max(self._busy_seconds, min(self._pace.idle_max_seconds, min_job_age_seconds / 2))

    @property
    def usual_look_seconds(self) -> float:
        """A look may take so long before the controller counts as silent."""
        return min(2 * self._look_seconds, self._pace.max_seconds)

    @property
    def recent_seconds(self) -> float:
        """A look that was begun so long ago is recent enough for readers."""
        return self._busy_seconds + max(self._pace.min_seconds / 2, self.usual_look_seconds)

    @property
    def _busy_seconds(self) -> float:
        return max(self._pace.min_seconds, min(COST_SHARE * self._look_seconds, self._pace.max_seconds))
