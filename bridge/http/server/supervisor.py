"""What the service tells the supervisor that has started it: sd_notify(3) of systemd."""

import os
import socket
from contextlib import suppress


class Supervisor:
    """Tells nothing where no supervisor wants to know. What it does not take at once is not told."""

    def __init__(self, address: str | None, *, has_watchdog: bool = False) -> None:
        self._has_watchdog = has_watchdog
        self._socket = None
        if address:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            self._address = "\0" + address[1:] if address.startswith("@") else address

    @classmethod
    def of_environment(cls) -> "Supervisor":
        """The one that the environment names, which child processes then do not see."""
        watched_pid = os.environ.pop("WATCHDOG_PID", str(os.getpid()))
        has_watchdog = "WATCHDOG_USEC" in os.environ and watched_pid == str(os.getpid())
        os.environ.pop("WATCHDOG_USEC", None)
        return cls(os.environ.pop("NOTIFY_SOCKET", None), has_watchdog=has_watchdog)

    def say_ready(self) -> None:
        """The service takes requests."""
        self._tell("READY=1")

    def say_stopping(self) -> None:
        """It is about to end."""
        self._tell("STOPPING=1")

    def say_alive(self) -> None:
        """The loop that reads requests goes round: a watchdog is to be told so every second."""
        if self._has_watchdog:
            self._tell("WATCHDOG=1")

    def _tell(self, state: str) -> None:
        if self._socket is not None:
            with suppress(OSError):  # gone, or busy: it learns the next time
                self._socket.sendto(state.encode(), self._address)
