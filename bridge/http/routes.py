"""The table of routes: path, resource, and for each method its scope, models, answers and errors.

The application, the OpenAPI document and the tables in the documentation are made of it.
"""

from collections.abc import Mapping

from bridge.core.errors import (
    AccountingUnreachableError,
    AlreadyFinishedError,
    CannotRetryError,
    ControllerUnreachableError,
    InvalidRequestError,
    NotFoundError,
    OverloadedError,
    RangeNotSatisfiableError,
    SlurmRefusedError,
)
from bridge.core.scopes import Scope
from bridge.http.documents.query_models import JobIdsQuery, JobListQuery, JobQuery, OutputQuery
from bridge.http.documents.response_models import (
    CancellationsDocument,
    HealthDocument,
    JobDocument,
    JobListDocument,
    QueryDocument,
    ReadyDocument,
    SpecificationDocument,
)
from bridge.http.failure_routes import FAILURE_ROUTES
from bridge.http.openapi import examples
from bridge.http.openapi.operation import HTML, JSON, TEXT, Answer, Errors, Operation, Route
from bridge.http.openapi.page import SpecificationPage
from bridge.http.page_routes import PAGE_ROUTES
from bridge.http.resources.docs import PageResource, SpecificationResource
from bridge.http.resources.health import HealthResource, ReadyResource
from bridge.http.resources.jobs import (
    JobCancellationResource,
    JobListResource,
    JobQueryResource,
    JobResource,
    RetryResource,
)
from bridge.http.resources.metrics import MetricsResource
from bridge.http.resources.outputs import OutputResource
from bridge.http.submission_routes import BODY, SUBMISSION_ROUTES, ResourceParts

_ASKING: Errors = (InvalidRequestError, ControllerUnreachableError, AccountingUnreachableError, OverloadedError)

_RECENT = ("Cache-Control", "Warning")
_LIST_HEADERS = (*_RECENT, "ETag")
_JOB_HEADERS = (*_RECENT, "ETag", "Retry-After.waiting")
_PAGE_HEADERS = ("Content-Security-Policy", "X-Content-Type-Options")
_OUTPUT_HEADERS = ("Accept-Ranges", "Cache-Control", "X-Content-Type-Options")
_OUTPUT = (
    Answer(200, "All of it, or the last `tail` bytes.", None, TEXT, examples.OUTPUT, _OUTPUT_HEADERS),
    Answer(206, "The part that `Range` asks for.", None, TEXT, examples.OUTPUT, (*_OUTPUT_HEADERS, "Content-Range")),
)
_OUTPUT_ERRORS: Errors = (NotFoundError, RangeNotSatisfiableError, InvalidRequestError, OverloadedError)
_OUTPUT_MORE = "Credentials in it are hidden, byte for byte. Slurm is not asked."


def _make_job(parts: ResourceParts) -> JobResource:
    services = parts.services
    return JobResource(services.lookup, services.canceller, services.slurm_limit, services.wait_shares)


def _output_route(stream: str, suffix: str) -> Route:
    """The route of a job's output `stream` ("standard output"); `suffix` is that of its file."""

    def make(parts: ResourceParts) -> OutputResource:
        services = parts.services
        return OutputResource(
            services.outputs,
            services.lookup,
            suffix,
            services.slurm_limit,
            services.output_limit,
            services.output_shares,
        )

    return Route(
        f"/jobs/{{job_id}}/std{suffix}",
        make,
        (
            Operation(
                method="GET",
                id=f"readStd{suffix}",
                scope=Scope.READ,
                does=f"Read what a job has printed to {stream} so far",
                more=_OUTPUT_MORE,
                query=OutputQuery,
                headers=("Range",),
                answers=_OUTPUT,
                errors=_OUTPUT_ERRORS,
            ),
        ),
    )


ROUTES = (
    *SUBMISSION_ROUTES,
    Route(
        "/jobs",
        lambda parts: JobListResource(parts.services.lookup),
        (
            Operation(
                method="GET",
                id="listJobs",
                scope=Scope.READ,
                does="List jobs, the newest first",
                more="With a `since` beyond what the controller remembers the list reaches back into accounting.",
                query=JobListQuery,
                headers=("If-None-Match",),
                answers=(
                    Answer(200, "A page of the list.", JobListDocument, JSON, examples.JOB_LIST, _LIST_HEADERS),
                    Answer(304, "Its jobs stand as `If-None-Match` says.", None, None, None, _LIST_HEADERS),
                ),
                errors=(InvalidRequestError, ControllerUnreachableError),
            ),
        ),
    ),
    Route(
        "/jobs/query",
        lambda parts: JobQueryResource(parts.services.lookup),
        (
            Operation(
                method="POST",
                id="queryJobs",
                scope=Scope.READ,
                does="Ask at once how each of many jobs stands",
                more="It never fails as a whole: what is wrong with an id stands in its result.",
                body=JobIdsQuery,
                answers=(
                    Answer(
                        200,
                        "A result for each id, in the order asked.",
                        QueryDocument,
                        JSON,
                        examples.QUERY,
                        _RECENT,
                    ),
                ),
                errors=BODY,
            ),
        ),
    ),
    Route(
        "/jobs/cancel",
        lambda parts: JobCancellationResource(parts.services.canceller, parts.services.slurm_limit),
        (
            Operation(
                method="POST",
                id="cancelJobs",
                scope=Scope.CANCEL,
                does="Cancel many jobs at once",
                more="It never fails as a whole: what is wrong with an id stands in its result. Those of one array "
                "cost the controller one request.",
                body=JobIdsQuery,
                answers=(
                    Answer(
                        200,
                        "A result for each id, in the order asked.",
                        CancellationsDocument,
                        JSON,
                        examples.CANCELLED,
                    ),
                ),
                errors=(*BODY, OverloadedError),
            ),
        ),
    ),
    Route(
        "/jobs/{job_id}",
        _make_job,
        (
            Operation(
                method="GET",
                id="readJob",
                scope=Scope.READ,
                does="Ask how a job stands",
                more="With `wait` the answer is held back until the state changes: a job that has ended, or an "
                "`If-None-Match` that is out of date, is answered at once.",
                query=JobQuery,
                headers=("If-None-Match",),
                answers=(
                    Answer(200, "The job.", JobDocument, JSON, examples.JOB, _JOB_HEADERS),
                    Answer(
                        304,
                        "It stands as `If-None-Match` says.",
                        None,
                        None,
                        None,
                        _JOB_HEADERS,
                    ),
                ),
                errors=(NotFoundError, *_ASKING),
            ),
            Operation(
                method="DELETE",
                id="cancelJob",
                scope=Scope.CANCEL,
                does="Cancel a job",
                more="Asking again is no error.",
                answers=(
                    Answer(202, "The job as it stood before; it ends soon.", JobDocument, JSON, examples.RUNNING_JOB),
                ),
                errors=(NotFoundError, AlreadyFinishedError, *_ASKING),
            ),
        ),
    ),
    Route(
        "/jobs/{job_id}/retry",
        lambda parts: RetryResource(parts.services.retrier, parts.services.slurm_limit),
        (
            Operation(
                method="POST",
                id="retryJob",
                scope=Scope.SUBMIT,
                does="Run a job again that has ended",
                more="With its id and all that it had, as long as the controller remembers it (`MinJobAge`). Slurm "
                "lets it begin two minutes later at the earliest. What it printed before is overwritten then.",
                answers=(Answer(202, "The job, which waits again.", JobDocument, JSON, examples.RETRIED_JOB),),
                errors=(NotFoundError, CannotRetryError, SlurmRefusedError, *_ASKING),
            ),
        ),
    ),
    *FAILURE_ROUTES,
    _output_route("standard output", "out"),
    _output_route("standard error", "err"),
    *PAGE_ROUTES,
    Route(
        "/metrics",
        lambda parts: MetricsResource(parts.services.metrics),
        (
            Operation(
                method="GET",
                id="readMetrics",
                scope=Scope.METRICS,
                does="Read figures for Prometheus",
                more="Slurm is not asked.",
                answers=(Answer(200, "Prometheus's text format 0.0.4.", None, TEXT, examples.METRICS),),
            ),
        ),
    ),
    Route(
        "/health",
        lambda _parts: HealthResource(),
        (
            Operation(
                method="GET",
                id="health",
                scope=None,
                does="Ask whether the process answers",
                more="Slurm is not asked.",
                answers=(Answer(200, "It does.", HealthDocument, JSON, examples.HEALTH),),
            ),
        ),
    ),
    Route(
        "/ready",
        lambda parts: ReadyResource(
            parts.services.gateway,
            parts.services.cache,
            parts.services.bad_nodes,
            is_guarded=bool(parts.services.verifiers),
        ),
        (
            Operation(
                method="GET",
                id="ready",
                scope=None,
                does="Ask whether the service can do its work",
                answers=(
                    Answer(200, "It can, be it without accounting of old jobs.", ReadyDocument, JSON, examples.READY),
                    Answer(503, "It cannot.", ReadyDocument, JSON, examples.NOT_READY),
                ),
            ),
        ),
    ),
    Route(
        "/openapi.json",
        lambda parts: SpecificationResource(parts.document),
        (
            Operation(
                method="GET",
                id="specification",
                scope=None,
                does="Read this specification",
                answers=(Answer(200, "An OpenAPI 3.1 document.", SpecificationDocument, JSON),),
            ),
        ),
    ),
    Route(
        "/docs",
        lambda parts: PageResource(SpecificationPage.of(parts.document)),
        (
            Operation(
                method="GET",
                id="documentation",
                scope=None,
                does="Read this specification as a page",
                answers=(
                    Answer(
                        200,
                        "The page; it loads nothing.",
                        None,
                        HTML,
                        None,
                        _PAGE_HEADERS,
                    ),
                ),
            ),
        ),
    ),
)


def scopes_by_path() -> Mapping[str, Mapping[str, Scope]]:
    """The scope that a method of a path needs; a method that is not in there is for everybody."""
    return {
        route.path: {operation.method: operation.scope for operation in route.operations if operation.scope}
        for route in ROUTES
    }
