"""How many requests a client may send in a second."""

import threading
import time
from collections.abc import Mapping
from typing import Any

import falcon

from bridge.core.errors import RateLimitedError
from bridge.core.scopes import Scope
from bridge.http.middleware.authentication import needed_scope
from bridge.http.middleware.request_context import client_of


class RateLimit:
    """Falcon middleware behind `Authentication`: counts each caller's requests in the present second (a fixed window).

    Without authentication, of each address. What everybody may ask (`/health`) is not counted. The counts are of one
    second only, so there are no more of them than requests in it.
    """

    def __init__(self, requests_per_second: int, scopes: Mapping[str, Mapping[str, Scope]]) -> None:
        self._scopes = scopes
        self._limit = requests_per_second
        self._lock = threading.Lock()
        self._second = 0
        self._counts: dict[str, int] = {}

    def process_resource(
        self, request: falcon.Request, _response: falcon.Response, _resource: Any, _params: dict[str, Any]
    ) -> None:
        """Raise `RateLimitedError` where the client has sent its share."""
        if needed_scope(request, self._scopes) is None:
            return
        if self._count(client_of(request)) > self._limit:
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
