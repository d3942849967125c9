"""What web pages of other sites may not do through a browser on this machine."""

from collections.abc import Collection
from typing import Any

import falcon

from bridge.core.errors import MalformedRequestError

# `Sec-Fetch-Site` of a request that no other site has made; programs send none.
_OWN = (None, "none", "same-origin")
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
        if request.method in _READING or request.get_header("Sec-Fetch-Site") in _OWN:
            return
        if request.get_header("Origin") not in self._origins:
            raise MalformedRequestError(
                "A web page of another site sent this, and callers need no token here: set token_file, or cors_origins."
            )
