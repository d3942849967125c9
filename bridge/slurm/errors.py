"""Slurm's error numbers, and what each means for the one who asked.

Names and numbers: `slurm/slurm_errno.h` of Slurm 26.05. A number keeps its meaning over the releases, not always its
name.
"""

from bridge.errors import (
    AccountingUnreachableError,
    BridgeError,
    ControllerUnreachableError,
    OutcomeUnknownError,
    SlurmRefusedError,
    TooManyRequestsError,
)


class WorkerUnavailableError(Exception):
    """No process that talks to Slurm can be started; the message says why."""


class WorkerLostError(Exception):
    """A worker died or kept its caller waiting after it had been given a request; the message says which."""


# The request never reached a controller that would act on it: nothing was submitted.
NOT_SENT = {
    1001: "SLURM_COMMUNICATIONS_CONNECTION_ERROR",
    1013: "SLURM_COMMUNICATIONS_MISSING_SOCKET_ERROR",
    1021: "SLURM_COMMUNICATIONS_CONNECT_TIMEOUT",
    1800: "SLURMCTLD_COMMUNICATIONS_CONNECTION_ERROR",  # connection refused, after libslurm's own retries
    1804: "SLURMCTLD_COMMUNICATIONS_BACKOFF",  # the controller limits this user's RPC rate (rl_enable)
    1805: "SLURMCTLD_COMMUNICATIONS_HARD_DROP",  # the same, without waiting
    2027: "ESLURM_IN_STANDBY_MODE",  # a backup controller that has not taken over
    2131: "ESLURM_IN_STANDBY_USE_BACKUP",
    7000: "ESLURM_DB_CONNECTION",  # limits are enforced, and the database that has them does not answer
}

# The request may have arrived, only the answer is missing. A controller that was stopped executes it when it goes on.
OUTCOME_UNKNOWN = {
    1002: "SLURM_COMMUNICATIONS_SEND_ERROR",
    1003: "SLURM_COMMUNICATIONS_RECEIVE_ERROR",
    1004: "SLURM_COMMUNICATIONS_SHUTDOWN_ERROR",
    1008: "SLURM_PROTOCOL_INSANE_MSG_LENGTH",  # an answer that cannot be read, like those below
    1022: "SLURM_COMMUNICATIONS_WRITE_TIMEOUT",
    1023: "SLURM_COMMUNICATIONS_READ_TIMEOUT",
    1801: "SLURMCTLD_COMMUNICATIONS_SEND_ERROR",
    1802: "SLURMCTLD_COMMUNICATIONS_RECEIVE_ERROR",
    1803: "SLURMCTLD_COMMUNICATIONS_SHUTDOWN_ERROR",
    5003: "ESLURM_PROTOCOL_INCOMPLETE_PACKET",
    5004: "SLURM_PROTOCOL_SOCKET_IMPL_TIMEOUT",  # no answer within MessageTimeout
    5005: "SLURM_PROTOCOL_SOCKET_ZERO_BYTES_SENT",
}

# The cluster takes no more for now; the same request may be taken later.
FULL_FOR_NOW = {
    11: "EAGAIN",  # the controller's "temporarily unable to accept job"; up to 25.11 that is also MaxJobCount
    2007: "ESLURM_MAX_JOB_COUNT",  # up to 25.11 "job queue full" has another name, and this number
    2016: "ESLURM_NODES_BUSY",
    2050: "ESLURM_ACCOUNTING_POLICY",  # a limit of the association or QOS on jobs submitted
    2070: "ESLURM_PARTITION_NOT_AVAIL",  # INACTIVE or DRAIN: an admin's doing, who will undo it
    2101: "ESLURM_PARTITION_DOWN",
    2105: "ESLURM_SUBMISSIONS_DISABLED",
}

# Who signs cannot be verified, or speaks another release's protocol: no setting for a kind of job mends that.
NOT_ACCEPTED_AS_CLIENT = {
    1005: "SLURM_PROTOCOL_VERSION_ERROR",
    1007: "SLURM_PROTOCOL_AUTHENTICATION_ERROR",
    2002: "ESLURM_ACCESS_DENIED",
    6000: "ESLURM_AUTH_CRED_INVALID",
    6001: "ESLURM_AUTH_EXPIRED",
}

# Not Slurm's: pyslurm raised something of its own while it built the request, so nothing was sent.
PYSLURM_REFUSED = 999_999

_FIRST_OF_SLURM = 1000  # below lie the operating system's own error numbers: they say nothing about the controller


def submission_error(code: int, message: str) -> BridgeError:
    """The error to answer a submission with where Slurm said `code`, in the words `message`.

    Whatever stands in no table is a refusal: the controller has read the request and found something wrong with it.
    """
    if code in NOT_SENT:
        return ControllerUnreachableError(
            f"Slurm could not be reached ({message}); nothing was submitted. Send the request again later.",
            slurm_code=code,
            slurm_message=message,
        )
    if code in FULL_FOR_NOW:
        return TooManyRequestsError(
            f"Slurm takes no such job for now: {message}. Send the request again later.",
            slurm_code=code,
            slurm_message=message,
        )
    if code in OUTCOME_UNKNOWN or code < _FIRST_OF_SLURM:
        return outcome_unknown(message, slurm_code=code)
    if code in NOT_ACCEPTED_AS_CLIENT:
        whose = "The service's user or its pyslurm does not fit the cluster"
    else:
        whose = "The operator's settings for this kind of job do not fit the cluster"
    return SlurmRefusedError(f"Slurm refused the job: {message}. {whose}.", slurm_code=code, slurm_message=message)


def reading_error(code: int, message: str) -> BridgeError:
    """The same for a request that only asks: whatever went wrong, asking again later does no harm."""
    return ControllerUnreachableError(
        f"The Slurm controller could not be asked: {message}. Ask again later.", slurm_code=code, slurm_message=message
    )


def accounting_error(code: int, message: str) -> BridgeError:
    """The same for a question to slurmdbd."""
    return AccountingUnreachableError(
        f"Slurm's accounting could not be asked: {message}. Ask again later.", slurm_code=code, slurm_message=message
    )


def outcome_unknown(reason: str, *, slurm_code: int = 0) -> OutcomeUnknownError:
    """The error for a request that was sent and not answered."""
    return OutcomeUnknownError(
        f"{reason}. Slurm may have the job, or make it later. Send the request again with the header "
        "`Idempotency-Key` set to `idempotency_key` of this answer: it gets the same job.",
        slurm_code=slurm_code,
        slurm_message=reason,
    )
