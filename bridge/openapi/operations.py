"""The HTTP contract: what every route takes and answers, method by method. `HEAD` is `GET` without the body."""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from bridge.documents import (
    HealthDocument,
    JobDocument,
    JobListDocument,
    QueryDocument,
    ReadyDocument,
    SpecificationDocument,
    SubmissionDocument,
)
from bridge.errors import (
    AccountingUnreachableError,
    AlreadyFinishedError,
    BodyTooLargeError,
    BridgeError,
    ControllerUnreachableError,
    ForbiddenError,
    HeadTooLargeError,
    IdempotencyMismatchError,
    IdentityProviderUnreachableError,
    InternalError,
    InvalidRequestError,
    MalformedJsonError,
    MalformedRequestError,
    MethodNotAllowedError,
    NotFoundError,
    OutcomeUnknownError,
    OverloadedError,
    RangeNotSatisfiableError,
    RequestTimeoutError,
    SlurmRefusedError,
    TokensUnreadableError,
    TooManyRequestsError,
    UnauthenticatedError,
    UnsupportedMediaTypeError,
)
from bridge.openapi import examples
from bridge.questions import IdsQuestion, JobQuestion, ListQuestion, OutputQuestion
from bridge.requests import ParseRequest, QaqcRequest
from bridge.resources.health import HealthResource, ReadyResource
from bridge.resources.jobs import JobListResource, JobQueryResource, JobResource
from bridge.resources.outputs import OutputResource
from bridge.resources.runs import RunResource
from bridge.resources.specification import PageResource, SpecificationResource

JSON = "application/json"
TEXT = "text/plain"
HTML = "text/html"

Errors = tuple[type[BridgeError], ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What an operation answers where nothing is wrong.

    `document` is the type of its JSON; None: another media type, or no body where `media_type` is None too.
    `headers` are names in `bridge.openapi.headers`, beside those that every answer has.
    """

    status: int
    meaning: str
    document: Any = None
    media_type: str | None = JSON
    example: Any = None
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one route. `query` and `body` are the models that read the query string and the body."""

    method: str
    path: str
    id: str
    resource: Any  # its class, which says what scope the method needs
    does: str
    more: str = ""
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    headers: tuple[str, ...] = ()
    answers: tuple[Answer, ...]
    errors: Errors = ()


# What every operation may answer, those that need a scope, these where callers have to sign in, and what other methods
# and addresses get.
ALWAYS: Errors = (
    MalformedRequestError,
    RequestTimeoutError,
    BodyTooLargeError,
    HeadTooLargeError,
    InternalError,
)
WHERE_COUNTED: Errors = (TooManyRequestsError,)
WHERE_GUARDED: Errors = (
    UnauthenticatedError,
    ForbiddenError,
    ControllerUnreachableError,
    IdentityProviderUnreachableError,
    OverloadedError,
    TokensUnreadableError,
)
ELSEWHERE: Errors = (NotFoundError, MethodNotAllowedError)

_BODY: Errors = (MalformedJsonError, UnsupportedMediaTypeError, InvalidRequestError)
_SUBMITTING: Errors = (
    *_BODY,
    IdempotencyMismatchError,
    SlurmRefusedError,
    ControllerUnreachableError,
    OutcomeUnknownError,
    OverloadedError,
)
_ASKING: Errors = (InvalidRequestError, ControllerUnreachableError, AccountingUnreachableError, OverloadedError)

_FRESHNESS = ("Cache-Control", "Warning")
_JOB_HEADERS = (*_FRESHNESS, "ETag", "Retry-After.waiting")
_PAGE_HEADERS = ("Content-Security-Policy", "X-Content-Type-Options")
_AGAIN = "A request that was not answered may be sent again with the same `Idempotency-Key`: it gets the same job."
_SUBMITTED = (
    Answer(202, "The job has been submitted.", SubmissionDocument, JSON, examples.SUBMISSION, ("Location",)),
    Answer(
        200,
        "The job that an earlier request with this `Idempotency-Key` made.",
        SubmissionDocument,
        JSON,
        examples.SUBMISSION,
        ("Location", "Idempotency-Replayed"),
    ),
)
_OUTPUT_HEADERS = ("Accept-Ranges", "Cache-Control", "X-Content-Type-Options")
_OUTPUT = (
    Answer(200, "All of it, or the last `tail` bytes.", None, TEXT, examples.OUTPUT, _OUTPUT_HEADERS),
    Answer(206, "The part that `Range` asks for.", None, TEXT, examples.OUTPUT, (*_OUTPUT_HEADERS, "Content-Range")),
)
_OUTPUT_ERRORS: Errors = (NotFoundError, RangeNotSatisfiableError, InvalidRequestError, OverloadedError)
_OUTPUT_MORE = "Credentials in it are hidden, byte for byte. Slurm is not asked."

OPERATIONS = (
    Operation(
        method="POST",
        path="/extractor/run",
        id="submitParse",
        resource=RunResource,
        does="Submit a job that parses a raw file into a thing's datastore",
        more=_AGAIN,
        body=ParseRequest,
        headers=("Idempotency-Key",),
        answers=_SUBMITTED,
        errors=_SUBMITTING,
    ),
    Operation(
        method="POST",
        path="/qaqc/run",
        id="submitQaqc",
        resource=RunResource,
        does="Submit a job that runs quality control on a thing's data",
        more=_AGAIN,
        body=QaqcRequest,
        headers=("Idempotency-Key",),
        answers=_SUBMITTED,
        errors=_SUBMITTING,
    ),
    Operation(
        method="GET",
        path="/jobs",
        id="listJobs",
        resource=JobListResource,
        does="List jobs, the newest first",
        more="With a `since` beyond what the controller remembers the list reaches back into accounting.",
        query=ListQuestion,
        answers=(Answer(200, "A page of the list.", JobListDocument, JSON, examples.JOB_LIST, _FRESHNESS),),
        errors=(InvalidRequestError, ControllerUnreachableError),
    ),
    Operation(
        method="POST",
        path="/jobs/query",
        id="queryJobs",
        resource=JobQueryResource,
        does="Ask how many jobs stand at once",
        more="It never fails as a whole: what is wrong with an id stands in its result.",
        body=IdsQuestion,
        answers=(
            Answer(200, "A result for each id, in the order asked.", QueryDocument, JSON, examples.QUERY, _FRESHNESS),
        ),
        errors=_BODY,
    ),
    Operation(
        method="GET",
        path="/jobs/{job_id}",
        id="readJob",
        resource=JobResource,
        does="Ask how a job stands",
        more="With `wait` the answer is held back until the state changes: a job that has ended, or an `If-None-Match` "
        "that is out of date, is answered at once.",
        query=JobQuestion,
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
        path="/jobs/{job_id}",
        id="cancelJob",
        resource=JobResource,
        does="Cancel a job",
        more="Asking again is no error.",
        answers=(Answer(202, "The job as it stood before; it ends soon.", JobDocument, JSON, examples.RUNNING_JOB),),
        errors=(NotFoundError, AlreadyFinishedError, *_ASKING),
    ),
    Operation(
        method="GET",
        path="/jobs/{job_id}/stdout",
        id="readStdout",
        resource=OutputResource,
        does="Read what a job has printed to standard output so far",
        more=_OUTPUT_MORE,
        query=OutputQuestion,
        headers=("Range",),
        answers=_OUTPUT,
        errors=_OUTPUT_ERRORS,
    ),
    Operation(
        method="GET",
        path="/jobs/{job_id}/stderr",
        id="readStderr",
        resource=OutputResource,
        does="Read what a job has printed to standard error so far",
        more=_OUTPUT_MORE,
        query=OutputQuestion,
        headers=("Range",),
        answers=_OUTPUT,
        errors=_OUTPUT_ERRORS,
    ),
    Operation(
        method="GET",
        path="/health",
        id="health",
        resource=HealthResource,
        does="Ask whether the process answers",
        more="Slurm is not asked.",
        answers=(Answer(200, "It does.", HealthDocument, JSON, examples.HEALTH),),
    ),
    Operation(
        method="GET",
        path="/ready",
        id="ready",
        resource=ReadyResource,
        does="Ask whether the service can do its work",
        answers=(
            Answer(200, "It can, be it without accounting of old jobs.", ReadyDocument, JSON, examples.READY),
            Answer(503, "It cannot.", ReadyDocument, JSON, examples.NOT_READY),
        ),
    ),
    Operation(
        method="GET",
        path="/openapi.json",
        id="specification",
        resource=SpecificationResource,
        does="Read this specification",
        answers=(Answer(200, "An OpenAPI 3.1 document.", SpecificationDocument, JSON),),
    ),
    Operation(
        method="GET",
        path="/docs",
        id="documentation",
        resource=PageResource,
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
)
