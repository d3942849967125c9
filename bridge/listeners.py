"""waitress's server, which stops accepting at a limit: ours makes room for newcomers.

Whoever has kept the service waiting longest for a request gives way; first those that have never completed one, as
long as they hold more than half of the places. A client that only opens connections, or sends its requests a byte a
second (slowloris), so closes its own, and a pipeline's stay open.
"""

import heapq
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from waitress import wasyncore
from waitress.server import BaseWSGIServer, MultiSocketServer, TcpWSGIServer, UnixWSGIServer
from waitress.task import ThreadedTaskDispatcher

from bridge.transport import ProblemChannel, this_thread

# waitress accepts one in each turn of its loop, which takes a millisecond with a thousand connections: newcomers would
# queue for a second behind a thousand others.
ACCEPTS_AT_ONCE = 64
CHECK_SECONDS = 1.0  # how exact the timeouts are


class Threads(ThreadedTaskDispatcher):
    """Those that handle requests."""

    @property
    def may_stay(self) -> bool:
        """Whether one may wait for its client's next request: not while others might lack it, nor at the end."""
        return not self.stop_count and 2 * self.active_count <= len(self.threads)


class Listener(BaseWSGIServer):
    """Accepts connections. Beyond `adj.connection_limit` it leaves newcomers in the backlog."""

    _map: dict[int, Any]  # in no stub
    task_dispatcher: Any  # `Threads`
    channel_class = ProblemChannel

    def handle_accept(self) -> None:
        """Let in all who are there, up to a number."""
        for _ in range(ACCEPTS_AT_ONCE):
            count = len(self._map)
            super().handle_accept()
            if len(self._map) == count:
                break

    def add_task(self, task: Any) -> None:
        """Lend a connection (a `ProblemChannel`) with a request to a thread, unless one has it already."""
        if not task.is_lent:
            task.is_lent = True
            super().add_task(task)

    def pull_trigger(self) -> None:
        """Wake the loop, unless a thread calls that has no need of it."""
        if this_thread.channel is None or this_thread.channel.writable():
            super().pull_trigger()

    def maintenance(self, _now: float) -> None:
        """`Server` does it; waitress's own takes every byte for a sign of life."""


class TcpListener(Listener, TcpWSGIServer):
    """On an address and port."""


class UnixListener(Listener, UnixWSGIServer):
    """On a unix socket."""

    effective_port: str  # waitress's name for its path

    def close(self) -> None:
        """Stop listening, and take the socket out of its folder."""
        super().close()
        Path(self.effective_port).unlink(missing_ok=True)


class Server(MultiSocketServer):
    """Runs the loop of all listeners, and closes connections that take too long or whose place is needed.

    It does so between the loop's turns. Within a turn a newcomer could get the descriptor of one that was closed, and
    the events that were meant for that.
    """

    map: dict[int, Any]  # from descriptor to connection, listeners among them

    def __init__(self, *arguments: Any, max_connections: int, read_timeout_seconds: float) -> None:
        super().__init__(*arguments)
        self._max_connections = max_connections
        self._read_timeout_seconds = read_timeout_seconds

    def run(self) -> None:
        """Serve until something in the loop raises `SystemExit`, as a signal handler does."""
        next_check = 0.0
        with suppress(SystemExit):
            while self.map:
                self._make_room()
                if (now := time.time()) >= next_check:
                    self._enforce_timeouts(now)
                    next_check = now + CHECK_SECONDS
                wasyncore.loop(CHECK_SECONDS, use_poll=True, map=self.map, count=1)  # select() ends at descriptor 1023

    def _channels(self) -> list[ProblemChannel]:
        return [item for item in self.map.values() if isinstance(item, ProblemChannel)]

    def _make_room(self) -> None:
        """Close as many as there are too many; where all are busy, the listeners stop soon."""
        if len(self.map) <= self._max_connections:
            return
        channels = [channel for channel in self._channels() if not channel.will_close]
        surplus = len(channels) - self._max_connections
        waiting = [channel for channel in channels if channel.is_waiting]
        strangers = [channel for channel in waiting if not channel.was_answered]
        if len(strangers) > self._max_connections // 2:
            waiting = strangers
        for channel in heapq.nsmallest(surplus, waiting, key=lambda channel: channel.waiting_since):
            channel.handle_close()

    def _enforce_timeouts(self, now: float) -> None:
        for channel in self._channels():
            channel.enforce_timeouts(now, self._read_timeout_seconds, self.adj.channel_timeout)
