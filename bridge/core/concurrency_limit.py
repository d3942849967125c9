"""Limits how many requests may block at once, so that some threads stay free."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from bridge.core.errors import OverloadedError


class ConcurrencyLimit:
    """Lets `limit` requests in at a time, as a context. A request that finds it full or closed is refused at once.

    `doing` says what the requests inside do.

    Entering raises `OverloadedError`: nothing was submitted.
    """

    def __init__(self, limit: int, doing: str) -> None:
        self._limit = limit
        self._doing = doing
        self._inside = 0
        self._is_closed = False
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        with self._lock:
            if self._is_closed:
                raise OverloadedError("The bridge is stopping. Send this request again.")
            if self._inside >= self._limit:
                raise OverloadedError(f"{self._inside} requests already {self._doing}. Send this one again.")
            self._inside += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._inside -= 1

    def close(self) -> None:
        """Let no request in any more."""
        with self._lock:
            self._is_closed = True


class CallerShares:
    """Lets each caller in `share` times at once, so that one leaves room for the others. `doing` as above."""

    def __init__(self, share: int, doing: str) -> None:
        self._share = share
        self._doing = doing
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def of(self, caller: str) -> Iterator[None]:
        """Hold one of the caller's. Raises `OverloadedError` where it has its share."""
        with self._lock:
            if self._counts[caller] >= self._share:
                raise OverloadedError(f"{self._share} of your requests already {self._doing}. Send this one again.")
            self._counts[caller] += 1
        try:
            yield
        finally:
            with self._lock:
                self._counts[caller] -= 1
                if not self._counts[caller]:
                    del self._counts[caller]
