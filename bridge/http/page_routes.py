"""The routes of the page for people: its files, and what it needs to know beside jobs."""

from bridge.core.errors import ControllerUnreachableError, InvalidRequestError, NotFoundError
from bridge.core.scopes import Scope
from bridge.http.documents.page_models import CallerDocument, HistoryDocument
from bridge.http.documents.query_models import HistoryQuery
from bridge.http.openapi import examples
from bridge.http.openapi.operation import ANY, HTML, JSON, Answer, Operation, Route
from bridge.http.page.files import page_files
from bridge.http.resources.history import CallerResource, HistoryResource
from bridge.http.resources.page import StatusPageResource
from bridge.http.submission_routes import ResourceParts

_FILE_HEADERS = ("Cache-Control.file", "Content-Security-Policy", "ETag", "X-Content-Type-Options")
_UNCHANGED = Answer(304, "It is as `If-None-Match` says.", None, None, None, _FILE_HEADERS)


def _make_history(parts: ResourceParts) -> HistoryResource:
    return HistoryResource(parts.services.metrics.history, parts.services.lookup)


PAGE_ROUTES = (
    Route(
        "/history",
        _make_history,
        (
            Operation(
                method="GET",
                id="readHistory",
                scope=Scope.READ,
                does="Read what became of jobs in the last hour or day",
                more="From the service's own memory, since its start. Slurm is not asked.",
                query=HistoryQuery,
                answers=(
                    Answer(200, "The figures.", HistoryDocument, JSON, examples.HISTORY, ("Cache-Control", "Warning")),
                ),
                errors=(InvalidRequestError, ControllerUnreachableError),
            ),
        ),
    ),
    Route(
        "/whoami",
        lambda _parts: CallerResource(),
        (
            Operation(
                method="GET",
                id="readCaller",
                scope=Scope.READ,
                does="Ask who the service takes you for",
                answers=(Answer(200, "The caller.", CallerDocument, JSON, examples.CALLER, ("Cache-Control",)),),
            ),
        ),
    ),
    Route(
        "/",
        lambda _parts: StatusPageResource(page_files()),
        (
            Operation(
                method="GET",
                id="page",
                scope=None,
                does="Open the page for people",
                more="What it shows it asks for with the caller's token.",
                headers=("If-None-Match",),
                answers=(Answer(200, "The page.", None, HTML, None, _FILE_HEADERS), _UNCHANGED),
            ),
        ),
    ),
    Route(
        "/page/{name}",
        lambda _parts: StatusPageResource(page_files()),
        (
            Operation(
                method="GET",
                id="pageFile",
                scope=None,
                does="Load a file of the page",
                headers=("If-None-Match",),
                answers=(Answer(200, "The file.", None, ANY, None, _FILE_HEADERS), _UNCHANGED),
                errors=(NotFoundError,),
            ),
        ),
    ),
)
