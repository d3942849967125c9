"""A clock for the bridge's modules that moves only when something waits."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from unittest.mock import patch

from bridge.core import deadline
from bridge.jobs.status import controller_trust, ledger, look_interval, past_jobs, queue_cache, watched_gateway
from bridge.jobs.submission import cancellation, chain_recovery, chains, key_history, recovery, sender
from tests.support import memory_gateway

TIMED: tuple[ModuleType, ...] = (
    *(deadline, controller_trust, ledger, look_interval, past_jobs, queue_cache, watched_gateway),
    *(key_history, recovery, sender, cancellation, chains, chain_recovery, memory_gateway),
)


class VirtualTime:
    """Stands in for `time`."""

    def __init__(self) -> None:
        self.now_seconds = 1_800_000_000.0
        self.on_change: Callable[[], None] = lambda: None

    def monotonic(self) -> float:
        """As `time.monotonic`."""
        return self.now_seconds

    time = monotonic

    def sleep(self, seconds: float) -> None:
        """Let so much time pass."""
        self.now_seconds += max(0.0, seconds)
        self.on_change()


@contextmanager
def virtual_time() -> Iterator[VirtualTime]:
    """Let the bridge's modules live in it; whoever waits lets it pass."""
    clock = VirtualTime()

    class Condition(threading.Condition):
        def wait(self, timeout: float | None = None) -> bool:
            clock.sleep(timeout or 0.0)
            return False

    stand_in = SimpleNamespace(Condition=Condition, Thread=threading.Thread)
    patches = [patch.object(module, "time", clock) for module in TIMED]
    with patch.object(queue_cache, "threading", stand_in):
        for one in patches:
            one.start()
        try:
            yield clock
        finally:
            for one in patches:
                one.stop()
