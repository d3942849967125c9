"""Whoever is about to submit a job with a key works on that key alone."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from bridge.deadline import Deadline
from bridge.errors import OverloadedError


class KeysAtWork:
    """Lets one request a key through at a time."""

    def __init__(self) -> None:
        self._keys: set[str] = set()
        self._changed = threading.Condition()

    @contextmanager
    def at_work(self, key: str, deadline: Deadline) -> Iterator[None]:
        """Raises `OverloadedError` where the request before still works at `deadline`."""
        with self._changed:
            if not self._changed.wait_for(lambda: key not in self._keys, deadline.remaining_seconds):
                raise OverloadedError(
                    "Another request with this Idempotency-Key is being handled. Send this one again."
                )
            self._keys.add(key)
        try:
            yield
        finally:
            with self._changed:
                self._keys.discard(key)
                self._changed.notify_all()
