"""Examples of answers. The frame of a problem is made as the service makes it; the texts are written here."""

from bridge.core.errors import (
    AccountingUnreachableError,
    AlreadyFinishedError,
    BodyTooLargeError,
    BridgeError,
    CannotRetryError,
    ControllerUnreachableError,
    FieldError,
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
from bridge.core.scopes import Scope
from bridge.http.documents.failure_models import FailuresDocument, FailuresRetryDocument
from bridge.http.documents.page_models import CallerDocument, HistoryDocument
from bridge.http.documents.problems import problem_document
from bridge.http.documents.response_models import (
    BatchDocument,
    CancellationsDocument,
    HealthDocument,
    JobDocument,
    JobListDocument,
    ProblemDocument,
    QueryDocument,
    ReadyDocument,
    SubmissionDocument,
)
from bridge.jobs.status.job_view import Origin

THING = "ce2b4fb6-d9de-11eb-a236-125e5a40a845"
REQUEST_ID = "abc94a085b7e4362a5a2dc4b0235a71b"
KEY = "27d5c35325ff4658bc06d513f53d4b11"

SUBMISSION: SubmissionDocument = {
    "job_id": "17",
    "state": "PENDING",
    "kind": "parse",
    "thing_uuid": THING,
    "request_id": REQUEST_ID,
    "href": "/jobs/17",
    "code": 0,
    "err": "",
    "out": "Submitted batch job 17",
    "qaqc": {"job_id": "18", "href": "/jobs/18"},
}

BATCH: BatchDocument = {
    "array_job_ids": ["20"],
    "kind": "parse",
    "lane": "live",
    "request_id": REQUEST_ID,
    "jobs": [
        {"index": 0, "job_id": "20_0", "href": "/jobs/20_0"},
        {"index": 1, "job_id": "20_1", "href": "/jobs/20_1"},
    ],
    "code": 0,
    "err": "",
    "out": "Submitted 2 batch jobs",
}

JOB: JobDocument = {
    "job_id": "17",
    "kind": "parse",
    "thing_uuid": THING,
    "request_id": REQUEST_ID,
    "state": "COMPLETED",
    "state_reason": None,
    "finished": True,
    "succeeded": True,
    "exit_code": 0,
    "signal": None,
    "submit_time": "2026-11-24T00:59:01Z",
    "start_time": "2026-11-24T00:59:01Z",
    "end_time": "2026-11-24T00:59:03Z",
    "expected_start_time": None,
    "time_limit_seconds": 14400,
    "queue_seconds": 0,
    "run_seconds": 2,
    "cpu_seconds": None,
    "max_memory_bytes": None,
    "nodes": "n1",
    "partition": "normal",
    "restarts": 0,
    "attempt": 1,
    "attempts_max": None,
    "array_job_id": None,
    "lane": "live",
    "caller": None,
    "after_job_ids": [],
    "replaced_by_job_id": None,
    "explanation": "finished normally",
    "href": "/jobs/17",
    "stdout_href": "/jobs/17/stdout",
    "stderr_href": "/jobs/17/stderr",
    "source": Origin.CONTROLLER,
    "as_of": "2026-11-24T00:59:07.113Z",
}

RUNNING_JOB: JobDocument = {
    **JOB,
    "state": "RUNNING",
    "finished": False,
    "succeeded": False,
    "exit_code": None,
    "end_time": None,
    "run_seconds": None,
    "explanation": "is running",
}

FAILED_JOB: JobDocument = {
    **JOB,
    "state": "FAILED",
    "state_reason": "NonZeroExitCode",
    "succeeded": False,
    "exit_code": 75,
    "explanation": "failed with exit code 75, which says that it may succeed if it runs again: its standard error says "
    "why",
}

RETRIED_JOB: JobDocument = {
    **JOB,
    "state": "PENDING",
    "state_reason": "BeginTime",
    "finished": False,
    "succeeded": False,
    "exit_code": None,
    "submit_time": "2026-11-24T00:59:03Z",
    "start_time": None,
    "end_time": None,
    "expected_start_time": "2026-11-24T01:01:04Z",
    "queue_seconds": None,
    "run_seconds": None,
    "nodes": None,
    "restarts": 1,
    "attempt": 2,
    "explanation": "was put back into the queue and runs again after a pause, of two minutes by Slurm's default",
}

ERRORS: dict[type[BridgeError], BridgeError] = {
    type(error): error
    for error in (
        MalformedRequestError("This is not HTTP that the service reads: Bad Request."),
        MalformedJsonError("The body must be one JSON object in UTF-8."),
        UnauthenticatedError("Send a token as `Authorization: Bearer TOKEN`.", is_token_bad=False),
        ForbiddenError("dispatcher lacks the scope `cancel`: the operator can grant it.", "cancel"),
        NotFoundError("Slurm knows no job of this service with this id, or has forgotten it (MinJobAge)."),
        MethodNotAllowedError("This address does not take this method; `Allow` names those it takes."),
        RequestTimeoutError("The request was not complete within 20 s. Send it again."),
        AlreadyFinishedError("The job has ended, or is not known to Slurm any more: nothing to cancel."),
        CannotRetryError("The job has not ended (RUNNING): it is running. Cancel it first, or wait for its end."),
        BodyTooLargeError("The body may have 65536 bytes."),
        UnsupportedMediaTypeError("Send the body as `Content-Type: application/json`, in UTF-8."),
        RangeNotSatisfiableError(2048),
        InvalidRequestError([FieldError("thing_uuid", "is required")]),
        IdempotencyMismatchError("This Idempotency-Key was used for another request. Use a new key for a new request."),
        TooManyRequestsError("You may send 2000 requests a second. Send this one again in the next."),
        HeadTooLargeError("Address and headers may have 16384 bytes together."),
        InternalError("This is a bug in the bridge; the log holds its cause under this request id."),
        SlurmRefusedError(
            "Slurm refused the job: Invalid account. "
            "The operator's settings for this kind of job do not fit the cluster.",
            slurm_code=2045,
            slurm_message="Invalid account",
        ),
        ControllerUnreachableError(
            "Slurm could not be reached (Unable to contact slurm controller); nothing was submitted. "
            "Send the request again later.",
            slurm_code=1800,
            slurm_message="Unable to contact slurm controller",
        ),
        AccountingUnreachableError(
            "Slurm's accounting could not be asked: Unable to connect to database. Ask again later.",
            slurm_code=7000,
            slurm_message="Unable to connect to database",
        ),
        IdentityProviderUnreachableError(
            "The identity provider's keys cannot be fetched, so the token cannot be checked. Try again later."
        ),
        TokensUnreadableError(
            "No token can be checked now: the operator has to correct the token file. Send the request again later."
        ),
        OutcomeUnknownError(
            "Slurm did not answer in time. Slurm may have the job, or make it later. Send the request again with the "
            "header `Idempotency-Key` set to `idempotency_key` of this answer: it gets the same job."
        ).with_key(KEY),
        OverloadedError("96 requests already wait for Slurm. Send this one again."),
    )
}


def problem_example(error: type[BridgeError], path: str) -> ProblemDocument:
    """What the service answers to such a fault at `path`."""
    return problem_document(ERRORS[error], path, REQUEST_ID)


JOB_LIST: JobListDocument = {
    "jobs": [JOB],
    "next_cursor": "1764396000.17",
    "missing": None,
    "as_of": "2026-11-24T00:59:07.113Z",
}

QUERY: QueryDocument = {
    "results": [
        {"job_id": "17", "status": 200, "job": JOB},
        {"job_id": "99", "status": 404, "problem": problem_example(NotFoundError, "/jobs/query")},
    ]
}

CANCELLED: CancellationsDocument = {
    "results": [
        {"job_id": "17", "status": 202, "job": RUNNING_JOB},
        {"job_id": "99", "status": 404, "problem": problem_example(NotFoundError, "/jobs/cancel")},
    ]
}

FAILURES: FailuresDocument = {
    "groups": [
        {
            "kind": "parse",
            "cause": "exit_code_75",
            "count": 1,
            "runnable": 1,
            "first_end_time": "2026-11-24T00:59:03Z",
            "last_end_time": "2026-11-24T00:59:03Z",
            "nodes": [{"node": "n1", "count": 1}],
            "things": [{"thing_uuid": THING, "count": 1}],
            "things_count": 1,
            "example": FAILED_JOB,
            "filter": {"cause": "exit_code_75", "kind": "parse", "until": "2026-11-24T00:59:07.113Z"},
        }
    ],
    "count": 1,
    "complete_since": "2026-11-23T09:00:00Z",
    "as_of": "2026-11-24T00:59:07.113Z",
}

RERUN: FailuresRetryDocument = {
    "dry_run": False,
    "count": 1,
    "jobs": [{"job_id": "17", "href": "/jobs/17"}],
    "refused": [
        {
            "job_id": "12",
            "detail": "Slurm has forgotten what the job had to do: submit the request again.",
        }
    ],
    "left": 0,
}

PREVIEW: FailuresRetryDocument = {**RERUN, "dry_run": True}

OUTPUT = "8,759 observations stored\n"

METRICS = 'tsm_bridge_jobs_finished_total{kind="parse",outcome="completed"} 17.0\n'

CALLER: CallerDocument = {"name": "dispatcher", "scopes": [Scope.READ, Scope.SUBMIT]}

HISTORY: HistoryDocument = {
    "as_of": "2026-11-24T00:59:07.113Z",
    "current": True,
    "began_at": "2026-11-24T00:58:00.000Z",
    "waiting": 3,
    "running": 2,
    "last_hour": {"ended_well": 17, "failed": 1, "cancelled": 0, "unseen": 0},
    "last_day": {"ended_well": 17, "failed": 1, "cancelled": 0, "unseen": 0},
    "step_seconds": 60,
    "periods": [
        {
            "at": "2026-11-24T00:59:00.000Z",
            "waiting": 3,
            "running": 2,
            "ended_well": 17,
            "failed": 1,
            "cancelled": 0,
            "unseen": 0,
            "wait_seconds": {"mean": 0.4, "longest": 2},
            "run_seconds": {"mean": 2.1, "longest": 3},
        }
    ],
}

HEALTH: HealthDocument = {"status": "ok"}

READY: ReadyDocument = {
    "status": "ready",
    "checks": {
        "controller": {"ok": True, "detail": "answers"},
        "workers": {"ok": True, "detail": "8 of 8 are running"},
        "board": {"ok": True, "detail": "0.4 s old"},
    },
}

NOT_READY: ReadyDocument = {
    "status": "not ready",
    "checks": {
        "controller": {"ok": False, "detail": "Unable to contact slurm controller"},
        "workers": {"ok": True, "detail": "8 of 8 are running"},
        "board": {"ok": False, "detail": "31.2 s old"},
    },
}
