"""waitress's server, which stops accepting at a limit: ours makes room for newcomers (`bridge.http.server.room`).

Of waitress 3.0.2 this uses beyond its documentation: `handle_accept`, `add_task`, `pull_trigger`, `maintenance`,
`_map`, `MultiSocketServer.run`, and the dispatcher's `stop_count`, `active_count`, `threads`.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from waitress import wasyncore
from waitress.server import BaseWSGIServer, MultiSocketServer, TcpWSGIServer, UnixWSGIServer
from waitress.task import ThreadedTaskDispatcher
from waitress.trigger import trigger

from bridge.http.server import room
from bridge.http.server.waitress_channel import ProblemChannel, Timeouts, this_thread

# waitress accepts one in each turn of its loop, which takes a millisecond with a thousand connections: newcomers would
# queue for a second behind a thousand others.
ACCEPTS_AT_ONCE = 64
CHECK_SECONDS = 1.0  # how exact the timeouts are
# Of all connections together; one has `outbuf_high_watermark` of a stream, and any answer that is one piece.
UNSENT_TOTAL_MAX_BYTES = 64 * 1024 * 1024
MEMORY_CHECK_SECONDS = 0.1  # in which a hundred threads make some tens of MiB of answers


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
    is_for_local_names = False  # the `Host` of a request has to be one of loopback

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

    effective_port = ""  # waitress's name for its path; none before it is bound

    def close(self) -> None:
        """Stop listening, and take the socket out of its folder."""
        super().close()
        if self.effective_port:
            Path(self.effective_port).unlink(missing_ok=True)


class Server(MultiSocketServer):
    """Runs the loop of all listeners, and closes connections that take too long or whose place is needed.

    It does so between the loop's turns. Within a turn a newcomer could get the descriptor of one that was closed, and
    the events that were meant for that.
    """

    map: dict[int, Any]  # from descriptor to connection, listeners among them

    def __init__(
        self,
        *arguments: Any,
        max_connections: int,
        received_max_bytes: int,
        timeouts: Timeouts,
        say_alive: Callable[[], None],
    ) -> None:
        super().__init__(*arguments)
        self._received_max_bytes = received_max_bytes
        self._say_alive = say_alive
        self._max_connections = max_connections
        self._timeouts = timeouts
        self._is_stopped = False

    def run(self) -> None:
        """Serve until `stop`."""
        next_check = next_memory_check = 0.0
        while not self._is_stopped:
            now = time.time()
            self._make_room(now)
            if now >= next_memory_check:
                self._bound_memory(now)
                next_memory_check = now + MEMORY_CHECK_SECONDS
            if now >= next_check:
                self._enforce_timeouts(now)
                self._say_alive()
                next_check = now + CHECK_SECONDS
            wasyncore.loop(CHECK_SECONDS, use_poll=True, map=self.map, count=1)  # select() ends at descriptor 1023

    def stop(self) -> None:
        """End `run`; any thread may call it."""
        self._is_stopped = True
        for item in list(self.map.values()):
            if isinstance(item, trigger):
                item.pull_trigger()

    @property
    def owes_answers(self) -> bool:
        """Whether a request is being handled, or its answer has not left yet. Any thread may ask."""
        return any(channel.requests or channel.total_outbufs_len for channel in self._channels())

    def _channels(self) -> list[ProblemChannel]:
        return [item for item in list(self.map.values()) if isinstance(item, ProblemChannel)]

    def _make_room(self, now: float) -> None:
        """Close as many as there are too many; where all are busy, the listeners stop soon."""
        if len(self.map) <= self._max_connections:
            return
        channels = [channel for channel in self._channels() if not channel.will_close]
        for channel in room.giving_way(channels, len(channels) - self._max_connections, self._max_connections, now):
            channel.handle_close()

    def _bound_memory(self, now: float) -> None:
        """Close some where all unread answers together take too much of it, or all bodies that are not complete."""
        channels = self._channels()
        for channel in room.holding_too_much(channels, UNSENT_TOTAL_MAX_BYTES, now):
            channel.handle_close()
        for channel in room.sending_too_much(channels, self._received_max_bytes):
            channel.handle_close()

    def _enforce_timeouts(self, now: float) -> None:
        for channel in self._channels():
            channel.enforce_timeouts(now, self._timeouts)
