"""A clock for tests: time goes on when it is told to."""


class Clock:
    """Stands in for `time`, and for a function that tells the time."""

    def __init__(self) -> None:
        self.now_seconds = 1000.0

    def __call__(self) -> float:
        return self.now_seconds

    def monotonic(self) -> float:
        """As `time.monotonic`."""
        return self.now_seconds
