"""Every fault the service tells a client about, and how HTTP says it.

An error is raised where the fault is seen. `bridge.http.documents.problems` says it as `application/problem+json`
(RFC 9457); in between it is caught only where there is something to do about it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with what a client sent.

    `field` is its dotted path (`"thing_uuid"`), `message` says what is expected. Neither holds the value itself: it may
    be a secret.
    """

    field: str
    message: str


class BridgeError(Exception):
    """The base of all errors a client may see. `str(error)` is the `detail`: what happened and what to do.

    `slurm_code` is Slurm's own error number (`slurm/slurm_errno.h`), or 0 where Slurm was not involved;
    `slurm_message` holds Slurm's own words.
    """

    status: ClassVar[int]
    type: ClassVar[str]
    title: ClassVar[str]
    retryable: ClassVar[bool] = False
    retry_after_seconds: ClassVar[int | None] = None

    def __init__(self, detail: str, *, slurm_code: int = 0, slurm_message: str = "") -> None:
        super().__init__(detail)
        self.slurm_code = slurm_code
        self.slurm_message = slurm_message


class MalformedRequestError(BridgeError):
    """Not HTTP that the service reads."""

    status, type, title = 400, "malformed-request", "Malformed request"


class MalformedJsonError(BridgeError):
    """The body is not a JSON object in UTF-8."""

    status, type, title = 400, "malformed-json", "Malformed JSON"


class UnauthenticatedError(BridgeError):
    """The caller did not say who it is, or what it said does not hold."""

    status, type, title = 401, "unauthenticated", "Unauthenticated"

    def __init__(self, detail: str, *, is_token_bad: bool = True) -> None:
        super().__init__(detail)
        self.is_token_bad = is_token_bad  # else the caller sent no token


class ForbiddenError(BridgeError):
    """The caller is known, and may not do this; `scope` is what it lacks."""

    status, type, title = 403, "forbidden", "Forbidden"

    def __init__(self, detail: str, scope: str) -> None:
        super().__init__(detail)
        self.scope = scope


class NotFoundError(BridgeError):
    """No such route, or no such job of ours."""

    status, type, title = 404, "not-found", "Not found"


class MethodNotAllowedError(BridgeError):
    """The route exists, but not for this method."""

    status, type, title = 405, "method-not-allowed", "Method not allowed"


class RequestTimeoutError(BridgeError):
    """The request was not complete in time."""

    status, type, title = 408, "request-timeout", "Request timeout"
    retryable, retry_after_seconds = True, 1


class AlreadyFinishedError(BridgeError):
    """The job cannot be cancelled any more, or the batch not be gone on with."""

    status, type, title = 409, "already-finished", "Already finished"


class CannotRetryError(BridgeError):
    """The job cannot be run again: it has not ended, or Slurm has forgotten it."""

    status, type, title = 409, "cannot-retry", "Job cannot be run again"


class BodyTooLargeError(BridgeError):
    """The body is larger than the service takes."""

    status, type, title = 413, "body-too-large", "Body too large"


class UnsupportedMediaTypeError(BridgeError):
    """The body is not declared as JSON in UTF-8."""

    status, type, title = 415, "unsupported-media-type", "Unsupported media type"


class RangeNotSatisfiableError(BridgeError):
    """None of the bytes asked for is there; `size_bytes` is how many there are."""

    status, type, title = 416, "range-not-satisfiable", "Range not satisfiable"

    def __init__(self, size_bytes: int) -> None:
        super().__init__(f"There are {size_bytes} bytes, and none of those that `Range` asks for.")
        self.size_bytes = size_bytes


class InvalidRequestError(BridgeError):
    """Well-formed, but against the rules of the contract; `errors` names every field at fault."""

    status, type, title = 422, "invalid-request", "Invalid request"

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__("Correct the fields listed in `errors` and send the request again.")
        self.errors = tuple(errors)


class IdempotencyMismatchError(BridgeError):
    """An `Idempotency-Key` came again with another request."""

    status, type, title = 422, "idempotency-mismatch", "Idempotency key used for another request"


class TooManyRequestsError(BridgeError):
    """A limit on this client, or on the number of jobs, is reached for now."""

    status, type, title = 429, "too-many-requests", "Too many requests"
    retryable, retry_after_seconds = True, 30


class RateLimitedError(TooManyRequestsError):
    """This client sends more requests than one may."""

    retry_after_seconds = 1


class HeadTooLargeError(BridgeError):
    """Address and headers are larger than the service takes."""

    status, type, title = 431, "head-too-large", "Request head too large"


class InternalError(BridgeError):
    """A bug in the bridge."""

    status, type, title = 500, "internal-error", "Internal error"


class SlurmRefusedError(BridgeError):
    """Slurm understood the request and refused it: the operator has to correct a setting."""

    status, type, title = 502, "slurm-refused", "Slurm refused the request"


class ControllerUnreachableError(BridgeError):
    """The controller could not be asked: nothing was submitted."""

    status, type, title = 503, "controller-unreachable", "Slurm controller unreachable"
    retryable, retry_after_seconds = True, 5


class AccountingUnreachableError(BridgeError):
    """slurmdbd could not be asked about jobs that the controller has forgotten."""

    status, type, title = 503, "accounting-unreachable", "Slurm accounting unreachable"
    retryable, retry_after_seconds = True, 5


class TokensUnreadableError(BridgeError):
    """The bridge's own tokens cannot be checked, for their file cannot be used."""

    status, type, title = 503, "tokens-unreadable", "Tokens unreadable"
    retryable, retry_after_seconds = True, 30


class IdentityProviderUnreachableError(BridgeError):
    """The public keys of the identity provider cannot be fetched, so a token cannot be checked."""

    status, type, title = 503, "identity-provider-unreachable", "Identity provider unreachable"
    retryable, retry_after_seconds = True, 30


class OutcomeUnknownError(BridgeError):
    """The request was sent and no answer came: Slurm may or may not have the job."""

    status, type, title = 503, "outcome-unknown", "Outcome unknown"
    retryable, retry_after_seconds = True, 5
    idempotency_key: str | None = None  # to send the request again with: it gets the same job

    def with_key(self, key: str) -> Self:
        """The same, for a client that is to repeat the request with `key`."""
        self.idempotency_key = key
        return self


class OverloadedError(BridgeError):
    """The bridge is as busy as it is allowed to be: nothing was submitted."""

    status, type, title = 503, "overloaded", "Overloaded"
    retryable, retry_after_seconds = True, 1
