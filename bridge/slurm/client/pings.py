"""Whether each of the cluster's controllers answers."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor

from bridge.core.deadline import Deadline
from bridge.core.errors import ControllerUnreachableError
from bridge.slurm.client.pool import WorkerPool
from bridge.slurm.client.replies import expect
from bridge.slurm.client.start_gate import StartGate
from bridge.slurm.errors import WorkerLostError, reading_error
from bridge.slurm.messages import ControllerPing, Ping, Pinged
from bridge.slurm.worker.main import worker_main

ROUND_SECONDS = 60.0  # libslurm gives each controller MessageTimeout (10 s)


class PingClient:
    """Has a worker of its own, from the first ping on: a controller that hangs keeps nothing but pings waiting.

    Safe to use from many threads: those that come while the controllers are being asked get the same answer.
    """

    def __init__(self, arguments: tuple[str | None, ...], gate: StartGate) -> None:
        self._pinger = WorkerPool(worker_main, arguments, gate, size=1)
        self._thread = ThreadPoolExecutor(1, "pings")
        self._lock = threading.Lock()
        self._round: Future[tuple[ControllerPing, ...]] | None = None

    @property
    def pools(self) -> tuple[WorkerPool, ...]:
        """The worker, where it is needed."""
        return () if self._round is None else (self._pinger,)

    def ping(self, deadline: Deadline) -> tuple[ControllerPing, ...]:
        """See `Gateway.ping`."""
        try:
            return self._current_round().result(deadline.remaining_seconds)
        except TimeoutError:
            raise ControllerUnreachableError("Not every controller has answered in time. Ask again later.") from None

    def close(self) -> None:
        """End the worker."""
        self._pinger.close()

    def _current_round(self) -> Future[tuple[ControllerPing, ...]]:
        with self._lock:
            if self._round is None:
                self._pinger.begin()
            if self._round is None or self._round.done():
                self._round = self._thread.submit(self._ask_all)
            return self._round

    def _ask_all(self) -> tuple[ControllerPing, ...]:
        try:
            reply = self._pinger.call(Ping(), Deadline.after(ROUND_SECONDS))
        except WorkerLostError as error:
            raise ControllerUnreachableError(f"{error}. Ask again later.") from None
        return expect(Pinged, reply, reading_error).controllers
