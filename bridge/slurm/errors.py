"""Slurm's error numbers, and what each means for the one who asked.

Source: `slurm/slurm_errno.h` of Slurm 26.05; the numbers are part of Slurm's wire protocol and do not change.
"""

from bridge.errors import (
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
NOT_SENT = frozenset(
    {
        1001,  # SLURM_COMMUNICATIONS_CONNECTION_ERROR
        1013,  # SLURM_COMMUNICATIONS_MISSING_SOCKET_ERROR
        1021,  # SLURM_COMMUNICATIONS_CONNECT_TIMEOUT
        1800,  # SLURMCTLD_COMMUNICATIONS_CONNECTION_ERROR: refused, after libslurm's own retries
        1804,  # SLURMCTLD_COMMUNICATIONS_BACKOFF: the controller limits this user's RPC rate
        1805,  # SLURMCTLD_COMMUNICATIONS_HARD_DROP: the same, without waiting
        2027,  # ESLURM_IN_STANDBY_MODE: a backup controller that has not taken over
        2131,  # ESLURM_IN_STANDBY_USE_BACKUP
    }
)

# The request may have arrived, only the answer is missing. A controller that was stopped executes it when it goes on.
OUTCOME_UNKNOWN = frozenset(
    {
        1002,  # SLURM_COMMUNICATIONS_SEND_ERROR
        1003,  # SLURM_COMMUNICATIONS_RECEIVE_ERROR
        1004,  # SLURM_COMMUNICATIONS_SHUTDOWN_ERROR
        1022,  # SLURM_COMMUNICATIONS_WRITE_TIMEOUT
        1023,  # SLURM_COMMUNICATIONS_READ_TIMEOUT
        1801,  # SLURMCTLD_COMMUNICATIONS_SEND_ERROR
        1802,  # SLURMCTLD_COMMUNICATIONS_RECEIVE_ERROR
        1803,  # SLURMCTLD_COMMUNICATIONS_SHUTDOWN_ERROR
        5003,  # ESLURM_PROTOCOL_INCOMPLETE_PACKET
        5004,  # SLURM_PROTOCOL_SOCKET_IMPL_TIMEOUT: no answer within MessageTimeout
        5005,  # SLURM_PROTOCOL_SOCKET_ZERO_BYTES_SENT
    }
)

# The cluster takes no more for now, and the same request later; with what to say.
FULL_FOR_NOW = {
    2007: "The Slurm controller holds as many jobs as it may (MaxJobCount). Send the request again later.",
    2050: "A limit of the account or QOS is reached. Send the request again later; if it stays so, the operator's "
    "settings ask for more than the account may have.",  # ESLURM_ACCOUNTING_POLICY
    2105: "Submissions are switched off on this cluster. Send the request again later.",  # ESLURM_SUBMISSIONS_DISABLED
}

# Not Slurm's: pyslurm raised something of its own while it built the request, so nothing was sent.
PYSLURM_REFUSED = 999_999

_FIRST_REFUSAL = 1000  # below lie the operating system's own error numbers: they say nothing about the controller


def submission_error(code: int, message: str) -> BridgeError:
    """The error to answer a submission with where Slurm said `code`, in the words `message`."""
    if code in NOT_SENT:
        return ControllerUnreachableError(
            "The Slurm controller could not be reached; nothing was submitted. Send the request again later.",
            slurm_code=code,
            slurm_message=message,
        )
    if code in OUTCOME_UNKNOWN or code < _FIRST_REFUSAL:
        return outcome_unknown(message, slurm_code=code)
    if code in FULL_FOR_NOW:
        return TooManyRequestsError(FULL_FOR_NOW[code], slurm_code=code, slurm_message=message)
    return SlurmRefusedError(
        f"Slurm refused the job: {message}. The operator's settings for this kind of job do not fit the cluster.",
        slurm_code=code,
        slurm_message=message,
    )


def reading_error(code: int, message: str) -> BridgeError:
    """The same for a request that only asks: whatever went wrong, asking again later does no harm."""
    return ControllerUnreachableError(
        f"The Slurm controller could not be asked: {message}. Ask again later.", slurm_code=code, slurm_message=message
    )


def outcome_unknown(reason: str, *, slurm_code: int = 0) -> OutcomeUnknownError:
    """The error for a request that was sent and not answered."""
    return OutcomeUnknownError(
        f"{reason}. Slurm may have the job, or make it later. Send the request again with the header "
        "`Idempotency-Key` set to `idempotency_key` of this answer: it gets the same job.",
        slurm_code=slurm_code,
        slurm_message=reason,
    )
