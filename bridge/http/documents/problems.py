"""How an error becomes an answer: `application/problem+json` (RFC 9457), the same shape for every fault."""

import logging
from typing import Any

import falcon

from bridge.core.errors import (
    BridgeError,
    ForbiddenError,
    InternalError,
    InvalidRequestError,
    MalformedRequestError,
    MethodNotAllowedError,
    NotFoundError,
    OutcomeUnknownError,
    RangeNotSatisfiableError,
    UnauthenticatedError,
)
from bridge.http.documents.response_models import ProblemDocument

log = logging.getLogger(__name__)

PROBLEM_MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:tsm-slurm-bridge:"

# Falcon's own refusals, told as ours. It answers 400 to a method that HTTP does not know.
_FALCON_ERRORS: dict[int, BridgeError] = {
    400: MethodNotAllowedError("HTTP has no such method."),
    404: NotFoundError("There is nothing at this address; `/docs` shows the routes."),
    405: MethodNotAllowedError("This address does not take this method; `Allow` names those it takes."),
}


def problem_document(error: BridgeError, instance: str, request_id: str) -> ProblemDocument:
    """The problem as JSON. `code`, `err` and `out` are what older clients read."""
    document: ProblemDocument = {
        "type": TYPE_PREFIX + error.type,
        "title": error.title,
        "status": error.status,
        "detail": str(error),
        "instance": instance,
        "request_id": request_id,
        "retryable": error.retryable,
        "code": error.slurm_code or 1,
        "err": error.slurm_message or str(error),
        "out": "",
    }
    if isinstance(error, InvalidRequestError):
        document["errors"] = [{"field": item.field, "message": item.message} for item in error.errors]
    if isinstance(error, OutcomeUnknownError):
        document["idempotency_key"] = error.idempotency_key
    return document


def answer_bridge_error(
    request: falcon.Request, response: falcon.Response, error: BridgeError, _params: dict[str, Any]
) -> None:
    """Falcon error handler: answer with the problem."""
    response.status = error.status
    response.content_type = PROBLEM_MEDIA_TYPE
    response.media = problem_document(error, request.path, request.context.request_id)
    if error.retry_after_seconds is not None:
        response.set_header("Retry-After", str(error.retry_after_seconds))
    if isinstance(error, RangeNotSatisfiableError):
        response.set_header("Content-Range", f"bytes */{error.size_bytes}")
    if isinstance(error, (UnauthenticatedError, ForbiddenError)):
        response.set_header("WWW-Authenticate", _challenge(error))
    request.context.problem = error


def _challenge(error: UnauthenticatedError | ForbiddenError) -> str:
    """RFC 6750, section 3."""
    challenge = 'Bearer realm="tsm-slurm-bridge"'
    if isinstance(error, ForbiddenError):
        return f'{challenge}, error="insufficient_scope", scope="{error.scope}"'
    return f'{challenge}, error="invalid_token"' if error.is_token_bad else challenge


def answer_falcon_error(
    request: falcon.Request, response: falcon.Response, error: falcon.HTTPError, params: dict[str, Any]
) -> None:
    """Falcon error handler for what Falcon itself refuses."""
    for name, value in dict(error.headers or {}).items():
        response.set_header(name, value)
    ours = _FALCON_ERRORS.get(error.status_code, MalformedRequestError("This is not HTTP that the service reads."))
    answer_bridge_error(request, response, ours, params)


def answer_bug(request: falcon.Request, response: falcon.Response, _error: Exception, params: dict[str, Any]) -> None:
    """Falcon error handler for everything else: the traceback is for the log, never for the client."""
    log.exception("bug")
    bug = InternalError("This is a bug in the bridge; the log holds its cause under this request id.")
    answer_bridge_error(request, response, bug, params)
