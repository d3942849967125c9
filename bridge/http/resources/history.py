"""`GET /history` and `GET /whoami`: what the page for people needs to know beside jobs."""

import falcon

from bridge.http.documents.history_json import history_document
from bridge.http.documents.page_models import CallerDocument
from bridge.http.documents.query_models import HistoryQuery, read_query
from bridge.http.resources.jobs import say_how_recent
from bridge.jobs.status.lookup import JobLookup
from bridge.metrics.history import JobHistory


class HistoryResource:
    """What became of jobs lately, from memory."""

    def __init__(self, history: JobHistory, lookup: JobLookup) -> None:
        self._history = history
        self._lookup = lookup

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """200 with the last hour, or the last day."""
        query = read_query(HistoryQuery, request)
        self._lookup.wait_until_seen(request.context.deadline)
        say_how_recent(response, self._lookup)
        looked_at, is_current = self._lookup.looked_at, self._lookup.is_current
        response.media = history_document(self._history, query.span, looked_at, is_current=is_current)

    on_head = on_get


class CallerResource:
    """Who asks."""

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """200 with the caller's name and scopes."""
        caller: CallerDocument = {"name": request.context.caller_name, "scopes": sorted(request.context.scopes)}
        response.set_header("Cache-Control", "no-store")
        response.media = caller

    on_head = on_get
