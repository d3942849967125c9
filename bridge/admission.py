"""How many requests may wait at once, for Slurm or slow clients, so that there is always a thread left for others."""

import threading
from types import TracebackType

from bridge.errors import OverloadedError


class Admission:
    """A gate for `limit` requests. Use it as a context; whoever finds it full or closed is refused at once.

    `doing` says what those inside do.

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
        """Let nobody in any more."""
        with self._lock:
            self._is_closed = True
