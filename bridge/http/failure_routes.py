"""The routes about jobs that ended badly."""

from bridge.core.errors import ControllerUnreachableError, InvalidRequestError, OverloadedError
from bridge.core.scopes import Scope
from bridge.http.documents.failure_models import FailuresDocument, FailuresRetryDocument
from bridge.http.documents.query_models import FailuresQuery, FailuresRetryQuery
from bridge.http.openapi import examples
from bridge.http.openapi.operation import JSON, Answer, Operation, Route
from bridge.http.resources.failures import FailuresResource, FailuresRetryResource
from bridge.http.submission_routes import BODY

FAILURE_ROUTES = (
    Route(
        "/failures",
        lambda parts: FailuresResource(parts.services.failures, parts.services.lookup),
        (
            Operation(
                method="GET",
                id="listFailures",
                scope=Scope.READ,
                does="List jobs that ended badly, in groups by kind and cause",
                more="As the bridge remembers them, for a day at most; Slurm is not asked.",
                query=FailuresQuery,
                answers=(
                    Answer(
                        200,
                        "The groups, the largest first.",
                        FailuresDocument,
                        JSON,
                        examples.FAILURES,
                        ("Cache-Control", "Warning"),
                    ),
                ),
                errors=(InvalidRequestError, ControllerUnreachableError),
            ),
        ),
    ),
    Route(
        "/failures/retry",
        lambda parts: FailuresRetryResource(parts.services.rerunner, parts.services.slurm_limit),
        (
            Operation(
                method="POST",
                id="retryFailures",
                scope=Scope.SUBMIT,
                does="Run jobs again that ended badly for one cause",
                more="Each as by `POST /jobs/{job_id}/retry`. The same call, made again, finds no job that has run "
                "again since: `until` does what an `Idempotency-Key` does elsewhere.",
                body=FailuresRetryQuery,
                answers=(
                    Answer(200, "Those that would run again.", FailuresRetryDocument, JSON, examples.PREVIEW),
                    Answer(
                        202, "Those that run again, and those that do not.", FailuresRetryDocument, JSON, examples.RERUN
                    ),
                ),
                errors=(*BODY, ControllerUnreachableError, OverloadedError),
            ),
        ),
    ),
)
