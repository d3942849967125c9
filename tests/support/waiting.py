"""Waiting for what takes its time."""

import time
from collections.abc import Callable

PAUSE_SECONDS = 0.05


def wait_until(condition: Callable[[], object], what: str, seconds: float = 20.0) -> None:
    """Wait until `condition()` holds. Raises `AssertionError` that names `what` where it does not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(PAUSE_SECONDS)
