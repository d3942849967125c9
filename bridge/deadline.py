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

    @property
    def remaining_seconds(self) -> float:
        """What is left of it, never negative."""
        return max(0.0, self.at_seconds - time.monotonic())
