"""What every request has from its beginning: an id, a deadline, and a place for the caller's name."""

import time

import falcon

from bridge.core.deadline import Deadline
from bridge.core.json_logs import request_id_var
from bridge.core.scopes import Scope
from bridge.core.text import request_id_for

HAS_HUNG_UP = "bridge.has_hung_up"  # in the WSGI environment: a function that says whether the client has gone


def client_of(request: falcon.Request) -> str:
    """Whom limits are kept for: the caller, or where callers need no token the address."""
    return request.context.caller_name or request.remote_addr


class RequestContext:
    """Falcon middleware, the first. Keeps the client's `X-Request-ID` if it is a sane one; every answer carries it.

    Sets in `request.context`: `request_id`, `deadline` (when the answer has to be there), `started_at_seconds`,
    `caller_name` (`None` until the caller is known) and `scopes` (all, until then).
    """

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds

    def process_request(self, request: falcon.Request, response: falcon.Response) -> None:
        """Set them."""
        context = request.context
        context.request_id = request_id_for(request.get_header("X-Request-ID"))
        context.started_at_seconds = time.perf_counter()
        context.deadline = Deadline.after(self._timeout_seconds)
        context.caller_name, context.scopes = None, frozenset(Scope)
        request_id_var.set(context.request_id)
        response.set_header("X-Request-ID", context.request_id)
