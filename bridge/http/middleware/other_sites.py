"""What web pages of other sites may not do through a browser on this machine."""

from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

import falcon

from bridge.core.errors import MalformedRequestError

_OWN = ("none", "same-origin")  # `Sec-Fetch-Site` of a request that no other site has made
_READING = frozenset({"GET", "HEAD", "OPTIONS"})


class OtherSites:
    """Falcon middleware for a service where callers need no token: what a browser sends is not known to be meant.

    With tokens it is: pages of other sites do not know them, and there are no cookies. `origins` may do all the same.
    """

    def __init__(self, origins: Collection[str]) -> None:
        self._origins = origins

    def process_resource(
        self, request: falcon.Request, _response: falcon.Response, _resource: Any, _params: dict[str, Any]
    ) -> None:
        """Raise `MalformedRequestError` where another site would change something."""
        if request.method in _READING or _is_own(request):
            return
        if request.get_header("Origin") not in self._origins:
            raise MalformedRequestError(
                "A web page of another site sent this, and callers need no token here: set token_file, or cors_origins."
            )


def _is_own(request: falcon.Request) -> bool:
    """Whether a program has made it, or the service's own page.

    Browsers tell the site only where they trust the address: not where a proxy speaks plain HTTP.
    """
    site, origin = request.get_header("Sec-Fetch-Site"), request.get_header("Origin")
    if site is not None:
        return site in _OWN
    if origin is None:
        return True
    return _host_of(origin) == request.host.lower()  # ports are not compared: proxies may leave them out of `Host`


def _host_of(origin: str) -> str | None:
    try:
        return urlsplit(origin).hostname
    except ValueError:
        return None
