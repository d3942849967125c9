"""One line in the log for a request, once it is answered. What the server itself refuses does not come here."""

import logging
import time

import falcon

from bridge.core.errors import BridgeError

log = logging.getLogger(__name__)

ROUTINE = ("GET", "HEAD")  # asked again and again, by monitors and by clients that poll: logged at debug level


class RequestLog:
    """Falcon middleware. Logs each request; those that go their usual way and change nothing at debug level."""

    def process_response(
        self, request: falcon.Request, response: falcon.Response, _resource: object, _succeeded: bool
    ) -> None:
        """Log it."""
        problem = getattr(request.context, "problem", None)
        level = logging.DEBUG if problem is None and request.method in ROUTINE else logging.INFO
        if log.isEnabledFor(level):
            log.log(level, "request", extra=_fields(request, response, problem))


def _fields(request: falcon.Request, response: falcon.Response, problem: BridgeError | None) -> dict[str, object]:
    """Method, path and outcome; never a query string, a header or a body: they may hold secrets."""
    fields = {
        "method": request.method,
        "path": request.path,
        "status": response.status_code,
        "milliseconds": round((time.perf_counter() - request.context.started_at_seconds) * 1000, 2),
        "client": request.remote_addr,
    }
    if request.context.caller_name is not None:
        fields["caller"] = request.context.caller_name
    if problem is not None:
        fields |= {"problem": problem.type, "detail": str(problem)}
    return fields | getattr(request.context, "log", {})
