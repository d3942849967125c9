"""`GET /history` and `GET /whoami`: what the page for people needs to know beside jobs."""

import falcon

from bridge.core.errors import ControllerUnreachableError
from bridge.http.documents.history_json import history_document
from bridge.http.documents.page_models import CallerDocument
from bridge.http.documents.query_models import HistoryQuery, read_query
from bridge.jobs.status.queue_cache import QueueCache
from bridge.metrics.history import JobHistory


class HistoryResource:
    """What became of jobs lately, from memory."""

    def __init__(self, history: JobHistory, cache: QueueCache) -> None:
        self._history = history
        self._cache = cache

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """200 with the last hour, or the last day."""
        query = read_query(HistoryQuery, request)
        self._cache.wait_until_recent(request.context.deadline)
        if not self._cache.looked_at:
            raise ControllerUnreachableError("The Slurm controller has not answered yet. Ask again later.")
        response.set_header("Cache-Control", "no-store")
        response.media = history_document(
            self._history, query.span, self._cache.looked_at, is_current=self._cache.is_current
        )

    on_head = on_get


class CallerResource:
    """Who asks."""

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """200 with the caller's name and scopes."""
        caller: CallerDocument = {"name": request.context.caller_name, "scopes": sorted(request.context.scopes)}
        response.set_header("Cache-Control", "no-store")
        response.media = caller

    on_head = on_get
