"""waitress's listeners, which stop accepting at a limit: ours make room for newcomers.

Whoever has kept the service waiting longest gives way. A client that opens connections and never completes a request
(slowloris) so loses its own, and nobody else's request.
"""

import heapq
import time
from typing import Any

from waitress.server import BaseWSGIServer, TcpWSGIServer, UnixWSGIServer

from bridge.transport import ProblemChannel

# waitress accepts one in each turn of its loop, which takes a millisecond with a thousand connections: newcomers would
# queue for a second behind a thousand others.
ACCEPTS_AT_ONCE = 64


class Listener(BaseWSGIServer):
    """Accepts connections, and closes those that take too long or whose place is needed.

    All listeners of a service have the same `map`, from descriptor to connection. Beyond `adj.connection_limit`, which
    is only reached when every connection has a request that is being handled, newcomers are left in the backlog.
    """

    _map: dict[int, Any]  # this and the next are not, or not rightly, in waitress's stubs
    active_channels: Any
    channel_class = ProblemChannel

    def __init__(self, *arguments: Any, read_timeout_seconds: float, **options: Any) -> None:
        self._read_timeout_seconds = read_timeout_seconds
        super().__init__(*arguments, **options)

    def readable(self) -> bool:
        """Called once in each turn of the loop, before it looks who has sent something.

        Nothing is closed later in the turn: a newcomer could get the same descriptor, and be taken for who had it.
        """
        surplus = len(self._map) + ACCEPTS_AT_ONCE - self.adj.connection_limit
        if surplus > 0:
            waiting = [item for item in self._map.values() if isinstance(item, ProblemChannel) and item.is_waiting]
            for channel in heapq.nsmallest(surplus, waiting, key=lambda channel: channel.waiting_since):
                channel.handle_close()
        return super().readable()

    def handle_accept(self) -> None:
        """Let in all who are there, up to a number."""
        for _ in range(ACCEPTS_AT_ONCE):
            count = len(self._map)
            super().handle_accept()
            if len(self._map) == count:
                break

    def maintenance(self, _now: float) -> None:
        """Called every `adj.cleanup_interval` seconds. waitress's own takes every byte for a sign of life."""
        now = time.time()
        for channel in list(self.active_channels.values()):
            channel.enforce_timeouts(now, self._read_timeout_seconds, self.adj.channel_timeout)


class TcpListener(Listener, TcpWSGIServer):
    """On an address and port."""


class UnixListener(Listener, UnixWSGIServer):
    """On a unix socket."""
