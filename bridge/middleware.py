"""What happens to every request: it gets an id, and one line in the log when it is answered."""

import logging
import re
import secrets
import time

import falcon

from bridge.afterwards import afterwards
from bridge.auth.guard import caller_name
from bridge.errors import BridgeError
from bridge.logs import log_fields, request_id_var

log = logging.getLogger(__name__)

ROUTINE = ("GET", "HEAD")  # asked again and again, by monitors and by clients that poll: logged at debug level
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def request_id_for(offered: str | None) -> str:
    """The id of a request: the client's own (`X-Request-ID`) if it is a sane one."""
    return offered if offered is not None and REQUEST_ID.fullmatch(offered) else secrets.token_hex(16)


class RequestLog:
    """Falcon middleware. Keeps the client's `X-Request-ID` if it is a sane one; every answer carries it."""

    def process_request(self, request: falcon.Request, response: falcon.Response) -> None:
        """Give the request its id."""
        request.context.request_id = request_id_for(request.get_header("X-Request-ID"))
        request.context.started_at = time.perf_counter()
        request_id_var.set(request.context.request_id)
        response.set_header("X-Request-ID", request.context.request_id)

    def process_response(
        self, request: falcon.Request, response: falcon.Response, _resource: object, _succeeded: bool
    ) -> None:
        """Have it logged, once the answer has left, unless all goes its usual way and nothing is changed."""
        problem = getattr(request.context, "problem", None)
        level = logging.DEBUG if problem is None and request.method in ROUTINE else logging.INFO
        if log.isEnabledFor(level):
            afterwards(lambda: log_fields(log, level, "request", _fields(request, response, problem)))


def _fields(request: falcon.Request, response: falcon.Response, problem: BridgeError | None) -> dict[str, object]:
    """Method, path and outcome; never a query string, a header or a body: they may hold secrets."""
    fields = {
        "method": request.method,
        "path": request.path,
        "status": response.status_code,
        "milliseconds": round((time.perf_counter() - request.context.started_at) * 1000, 2),
        "client": request.remote_addr,
    }
    if (caller := caller_name(request)) is not None:
        fields["caller"] = caller
    if problem is not None:
        fields |= {"problem": problem.type, "detail": str(problem)}
    return fields | getattr(request.context, "log", {})
