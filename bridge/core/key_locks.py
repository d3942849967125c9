"""One request at a time per idempotency key."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from bridge.core.deadline import Deadline
from bridge.core.errors import OverloadedError


class KeyLocks:
    """Lets one request a key through at a time."""

    def __init__(self) -> None:
        self._keys: set[str] = set()
        self._changed = threading.Condition()

    @contextmanager
    def hold(self, key: str, deadline: Deadline) -> Iterator[None]:
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
