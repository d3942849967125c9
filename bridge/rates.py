"""How many requests a client may send in a second."""

import threading
import time
from typing import Any

import falcon

from bridge.errors import RateLimitedError


class RateLimit:
    """Falcon middleware behind the `Guard`: counts the requests of each caller in the present second (a fixed window).

    Without authentication, of each address. What anybody may ask (`/health`) is not counted. The counts are of one
    second only, so there are no more of them than requests in it.

    The package `limits` does the same, but its memory starts a thread every 10 ms to forget: 40 us a request.
    """

    def __init__(self, requests_per_second: int) -> None:
        self._limit = requests_per_second
        self._lock = threading.Lock()
        self._second = 0
        self._counts: dict[str, int] = {}

    def process_resource(
        self, request: falcon.Request, _response: falcon.Response, resource: Any, _params: dict[str, Any]
    ) -> None:
        """Raise `RateLimitedError` where the client has sent its share."""
        if ("GET" if request.method == "HEAD" else request.method) not in resource.scopes:
            return
        caller = getattr(request.context, "caller", None)
        if self._count(request.remote_addr if caller is None else caller.name) > self._limit:
            raise RateLimitedError(
                f"You may send {self._limit} requests a second. Send this one again in the next, or ask less often: "
                "`?wait=` tells of a change at once."
            )

    def _count(self, client: str) -> int:
        second = int(time.monotonic())
        with self._lock:
            if second != self._second:
                self._second, self._counts = second, {}
            count = self._counts[client] = self._counts.get(client, 0) + 1
        return count
