"""Counts each request, once it is answered. What the server itself refuses does not come here."""

import time

import falcon

from bridge.jobs.requests.kinds import JOB_KINDS
from bridge.metrics.requests import ACCEPTED, REPLAYED, RequestCounters

NO_ROUTE = "(none)"
KINDS_BY_ROUTE = {path: kind.name for kind in JOB_KINDS for path in (kind.path, kind.batch_path)}


class RequestMetrics:
    """Falcon middleware."""

    def __init__(self, counters: RequestCounters) -> None:
        self._counters = counters

    def process_response(
        self, request: falcon.Request, response: falcon.Response, _resource: object, _succeeded: bool
    ) -> None:
        """Count it, and where it was to submit jobs, these too."""
        route = request.uri_template or NO_ROUTE
        problem = getattr(request.context, "problem", None)
        seconds = time.perf_counter() - request.context.started_at_seconds
        self._counters.note_answer(route, response.status_code, seconds, problem and problem.type)
        if route in KINDS_BY_ROUTE and request.method == "POST":
            done = REPLAYED if response.status_code == 200 else ACCEPTED
            jobs = getattr(request.context, "log", {}).get("jobs", 1)  # a refused batch has none
            self._counters.note_submission(KINDS_BY_ROUTE[route], problem.type if problem else done, jobs)
