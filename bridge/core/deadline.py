"""The one moment by which a request must have its answer; every wait inside the request takes its time from it."""

import time
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on the monotonic clock, in seconds."""

    at_seconds: float

    @classmethod
    def after(cls, seconds: float) -> Self:
        """The deadline that lies `seconds` ahead of now."""
        return cls(time.monotonic() + seconds)

    def earlier_by(self, seconds: float) -> "Deadline":
        """A deadline that leaves `seconds` to what comes after, or half of the time where there is less."""
        return Deadline(self.at_seconds - min(seconds, self.remaining_seconds / 2))

    def later_by(self, seconds: float) -> "Deadline":
        """The deadline moved on by `seconds`."""
        return Deadline(self.at_seconds + seconds)

    @property
    def remaining_seconds(self) -> float:
        """What is left of it, never negative."""
        return max(0.0, self.at_seconds - time.monotonic())
