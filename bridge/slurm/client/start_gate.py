"""When the next worker is started: at once while starts succeed, else one at a time and ever later."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

PAUSE_MIN_SECONDS = 1.0  # after a worker that did not start; doubled while none starts
PAUSE_MAX_SECONDS = 15.0  # a worker takes 0.3 s of a CPU to find out that it cannot start

T = TypeVar("T")


class StartGate:
    """All pools of a gateway share one, since what keeps one worker from starting keeps all. For many threads."""

    def __init__(
        self,
        pause_min_seconds: float = PAUSE_MIN_SECONDS,
        pause_max_seconds: float = PAUSE_MAX_SECONDS,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._pause_min_seconds = pause_min_seconds
        self._pause_max_seconds = pause_max_seconds
        self._sleep = sleep
        self._lock = threading.Lock()  # held by the one thread that tries, after a failure
        self._pause_seconds = 0.0  # before the next start; 0: the last one succeeded

    def pass_through(self, start: Callable[[], T | str]) -> T | str:
        """What `start` returns: what was started, or as text why nothing was."""
        if not self._pause_seconds:
            return self._noted(start(), self._pause_min_seconds)
        with self._lock:
            pause_seconds = self._pause_seconds  # 0 by now where another thread's start succeeded
            self._sleep(pause_seconds)
            return self._noted(start(), min(2 * pause_seconds, self._pause_max_seconds) or self._pause_min_seconds)

    def _noted(self, result: T | str, pause_seconds: float) -> T | str:
        self._pause_seconds = pause_seconds if isinstance(result, str) else 0.0
        return result
