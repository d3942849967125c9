"""How the service ends: signals, and the answers that are still owed."""

import logging
import select
import signal
import socket
import threading
from collections.abc import Callable
from types import FrameType

from bridge.core.deadline import Deadline
from bridge.http.server.waitress_server import Server

log = logging.getLogger(__name__)

# SIGHUP too: a terminal that closes ends the service like Ctrl-C. The log goes to standard error, so nothing is to be
# opened anew, and settings are read at the start only.
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
CHECK_PAUSE_SECONDS = 0.02  # while the last answers leave


class Stopping:
    """The first signal lets every request have its answer and takes no new work; the second ends at once.

    A signal handler may interrupt any code of the main thread, which may hold any lock: so it does nothing. The kernel
    writes the signal's number to a socket, and a thread reads it there.

    `refuse_work` and `let_go` are called once: at the first signal, and at a second one, to release the threads that
    wait for Slurm.
    """

    def __init__(
        self, server: Server, refuse_work: Callable[[], None], let_go: Callable[[], None], timeout_seconds: float
    ) -> None:
        self._server = server
        self._refuse_work = refuse_work
        self._let_go = let_go
        self._timeout_seconds = timeout_seconds
        self._signals, self._told = socket.socketpair()

    def install(self) -> None:
        """Begin to listen for signals; in the main thread, as Python wants it."""
        self._told.setblocking(False)
        signal.set_wakeup_fd(self._told.fileno())
        for number in SIGNALS:
            signal.signal(number, _do_nothing)
        threading.Thread(target=self._wait_and_stop, name="stopping", daemon=True).start()

    def _wait_and_stop(self) -> None:
        (number,) = self._signals.recv(1)
        log.info("stopping", extra={"signal": signal.Signals(number).name})
        self._refuse_work()
        self._wait_for_answers()
        self._server.stop()

    def _wait_for_answers(self) -> None:
        deadline = Deadline.after(self._timeout_seconds)
        while deadline.remaining_seconds and self._server.owes_answers:
            if select.select([self._signals], [], [], CHECK_PAUSE_SECONDS)[0]:
                self._let_go()
                return


def _do_nothing(_number: int, _frame: FrameType | None) -> None:
    pass
