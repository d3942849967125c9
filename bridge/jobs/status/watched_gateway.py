"""The gateway as jobs use it: the time that the controller takes for each answer tells whether it can be believed."""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from bridge.jobs.status.controller_trust import ControllerTrust
from bridge.slurm.gateway import Gateway
from bridge.slurm.observed_gateway import ObservedGateway

QUICK_CALLS = frozenset({"submit", "find", "cancel", "release", "requeue", "controller"})
LOOKS = 8  # the quickest of so many tells how long a look takes where nothing is wrong: long queues take longer
SLOW_LOOK = 3  # a look that took so many times as long is slow


class WatchedGateway(ObservedGateway):
    """Tells `ControllerTrust` of each answer of the controller."""

    def __init__(self, gateway: Gateway, trust: ControllerTrust) -> None:
        super().__init__(gateway)
        self._trust = trust
        self._looks_took_seconds: deque[float] = deque(maxlen=LOOKS)

    def around(self, call: str) -> AbstractContextManager[None]:
        """See `ObservedGateway`. Accounting, and backups that hang, say nothing about the controller."""
        if call == "queue":
            return self._around_look()
        return self._trust.watching() if call in QUICK_CALLS else nullcontext()

    @contextmanager
    def _around_look(self) -> Iterator[None]:
        begun_at_seconds = time.monotonic()
        with self._trust.watching(SLOW_LOOK * min(self._looks_took_seconds, default=0.0)):
            yield
        self._looks_took_seconds.append(time.monotonic() - begun_at_seconds)
