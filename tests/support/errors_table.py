"""The table of errors for client authors, made from the errors themselves: `python -m tests.support.errors_table`."""

from collections.abc import Iterator

from bridge.core import errors
from bridge.core.errors import BridgeError

# When a client meets each, and what it is to do. The rest of the table is in the classes.
WHEN: dict[type[BridgeError], str] = {
    errors.MalformedRequestError: "the service cannot read this as HTTP",
    errors.MalformedJsonError: "the body is not one JSON object in UTF-8",
    errors.UnauthenticatedError: "the request has no token, or its token is not valid",
    errors.ForbiddenError: "the token lacks the scope that the route needs",
    errors.NotFoundError: "there is no such route, or no such job of the bridge",
    errors.MethodNotAllowedError: "the route does not take the method",
    errors.RequestTimeoutError: "the request was not complete within `read_timeout_seconds`",
    errors.AlreadyFinishedError: "the job has ended, so it cannot be cancelled; or so has a part of the batch",
    errors.CannotRetryError: "the job has not ended, or the controller has forgotten it, so it cannot be run again",
    errors.BodyTooLargeError: "the body has more than `max_body_bytes` (64 KiB), or far more members than any request",
    errors.UnsupportedMediaTypeError: "the body is not declared as JSON",
    errors.RangeNotSatisfiableError: (
        "the output has none of the bytes that `Range` asks for; `Content-Range` says how many there are"
    ),
    errors.InvalidRequestError: "`errors` lists every field at fault; no value is repeated",
    errors.IdempotencyMismatchError: "the `Idempotency-Key` came with another request before",
    errors.TooManyRequestsError: (
        "`max_pending_jobs` is reached, or Slurm's `MaxJobCount`, or a limit of the account or QOS; "
        "or the partition is drained or inactive"
    ),
    errors.RateLimitedError: "the caller has sent `requests_per_second` requests in this second",
    errors.HeadTooLargeError: "address and headers have more than `max_header_bytes` (16 KiB)",
    errors.InternalError: "the bridge has a bug; its log has the cause under the request id",
    errors.SlurmRefusedError: (
        "Slurm refused (unknown partition, account or QOS; too much time, memory or CPUs): the operator's settings do "
        "not fit the cluster; or a plugin of the cluster said no, in the words of `err`"
    ),
    errors.ControllerUnreachableError: (
        "the controller does not answer, or refuses the service's signature: nothing was submitted, or the bridge "
        "could not ask whether there is such a job"
    ),
    errors.AccountingUnreachableError: "slurmdbd does not answer for a job that the controller has forgotten",
    errors.TokensUnreadableError: "the token file cannot be used; the operator has to repair it",
    errors.IdentityProviderUnreachableError: (
        "the identity provider's public keys cannot be fetched, so the token cannot be checked"
    ),
    errors.OutcomeUnknownError: (
        "Slurm did not answer in time and may still run the job: "
        "send the request again with `idempotency_key` as its `Idempotency-Key`"
    ),
    errors.OverloadedError: "too many requests wait for Slurm already, or read output; nothing was submitted",
}


def every_error(base: type[BridgeError] = BridgeError) -> Iterator[type[BridgeError]]:
    """All errors a client may see, subclasses of subclasses too."""
    for error in base.__subclasses__():
        yield error
        yield from every_error(error)


def errors_table() -> str:
    """Markdown: status, type, whether and after how many seconds to retry, when. By status."""
    rows = ["| status | type | `retryable` | `Retry-After` | when |", "|---|---|---|---|---|"]
    rows += map(_row, sorted(every_error(), key=lambda error: error.status))
    return "\n".join(rows) + "\n"


def _row(error: type[BridgeError]) -> str:
    retryable = "yes" if error.retryable else "no"
    after = "" if error.retry_after_seconds is None else f"{error.retry_after_seconds} s"
    return f"| {error.status} | `{error.type}` | {retryable} | {after} | {WHEN[error]} |"


if __name__ == "__main__":
    print(errors_table(), end="")
