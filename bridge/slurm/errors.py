"""Slurm's error numbers, and what each means for the one who asked.

Names and numbers: `slurm/slurm_errno.h` of Slurm 26.05. A number keeps its meaning over the releases, not always its
name.
"""

from bridge.core.errors import (
    AccountingUnreachableError,
    BridgeError,
    CannotRetryError,
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

# The signature was not accepted, be it that the cluster's key was replaced or a token expired: nothing was executed.
SIGNATURE_REFUSED = {
    1007: "SLURM_PROTOCOL_AUTHENTICATION_ERROR",
    6000: "ESLURM_AUTH_CRED_INVALID",
    6001: "ESLURM_AUTH_EXPIRED",
}

# Who signs may not do this, or speaks another release's protocol: no setting for a kind of job changes that.
NOT_ACCEPTED_AS_CLIENT = {
    1005: "SLURM_PROTOCOL_VERSION_ERROR",
    2002: "ESLURM_ACCESS_DENIED",
}

# The setting of a kind of job that is at fault where Slurm refuses one.
SETTING_AT_FAULT = {
    2000: "partition",  # ESLURM_INVALID_PARTITION_NAME
    2001: "partition",  # ESLURM_DEFAULT_PARTITION_NOT_SET
    2005: "cpus",  # ESLURM_TOO_MANY_REQUESTED_CPUS
    2014: "memory_mib` or `cpus",  # ESLURM_REQUESTED_NODE_CONFIG_UNAVAILABLE
    2044: "memory_mib",  # ESLURM_INVALID_TASK_MEMORY
    2045: "account",  # ESLURM_INVALID_ACCOUNT
    2051: "time_limit_minutes",  # ESLURM_INVALID_TIME_LIMIT
    2066: "qos",  # ESLURM_INVALID_QOS
    2123: "nice",  # ESLURM_INVALID_NICE
}

# Not Slurm's: pyslurm raised something of its own while it built the request, so nothing was sent.
PYSLURM_REFUSED = 999_999

ESLURM_DEPENDENCY = 2038  # a job that is to be followed is not there

NO_ANSWER = 5004  # SLURM_PROTOCOL_SOCKET_IMPL_TIMEOUT

SLURM_ERROR = -1  # refused for a reason without a number: what a job_submit plugin returns that just says no

# The operating system's own error numbers: they say nothing about the controller. 0 says nothing at all.
_OF_THE_SYSTEM = range(1000)


def submission_error(code: int, message: str) -> BridgeError:
    """The error to answer a submission with where Slurm said `code`, in the words `message`.

    Whatever stands in no table is a refusal: the controller has read the request and found something wrong with it.
    """
    if code in NOT_SENT or code in SIGNATURE_REFUSED:
        return not_sent(code, message)
    if code in FULL_FOR_NOW:
        return TooManyRequestsError(
            f"Slurm takes no such job for now: {message}. Send the request again later.",
            slurm_code=code,
            slurm_message=message,
        )
    if code in OUTCOME_UNKNOWN or code in _OF_THE_SYSTEM:
        return outcome_unknown(message, slurm_code=code)
    if code == SLURM_ERROR:
        whose = "A rule of the cluster (JobSubmitPlugins) is against it: the operator's to settle with its admins"
    elif code in NOT_ACCEPTED_AS_CLIENT:
        whose = "The service's user or its pyslurm does not fit the cluster"
    elif code in SETTING_AT_FAULT:
        whose = f"The operator's setting `{SETTING_AT_FAULT[code]}` for this kind of job does not fit the cluster"
    else:
        whose = "The operator's settings for this kind of job do not fit the cluster"
    return SlurmRefusedError(f"Slurm refused the job: {message}. {whose}.", slurm_code=code, slurm_message=message)


def not_sent(code: int, message: str) -> ControllerUnreachableError:
    """The error for a request of any sort that the controller did not take in."""
    problem = "did not accept the service's signature" if code in SIGNATURE_REFUSED else "could not be reached"
    return ControllerUnreachableError(
        f"Slurm {problem} ({message}); nothing was submitted. Send the request again later.",
        slurm_code=code,
        slurm_message=message,
    )


def requeue_error(code: int, message: str) -> BridgeError:
    """The same for a job that is to be run again. Asking again does no harm: one in the queue stays as it is."""
    if code in NOT_SENT or code in SIGNATURE_REFUSED:
        return not_sent(code, message)
    if code in OUTCOME_UNKNOWN or code in _OF_THE_SYSTEM:
        return ControllerUnreachableError(
            f"Slurm did not say whether the job is run again: {message}. Ask for the job, or send the request again.",
            slurm_code=code,
            slurm_message=message,
        )
    if code == ESLURM_DEPENDENCY:
        return CannotRetryError("Slurm has forgotten a job that this one is to follow: submit the request again.")
    return SlurmRefusedError(
        f"Slurm does not run the job again: {message}. The cluster's settings are against it (`JobRequeue`).",
        slurm_code=code,
        slurm_message=message,
    )


def release_error(code: int, message: str) -> BridgeError:
    """The same for a job that is to be let begin."""
    if code in NOT_SENT or code in SIGNATURE_REFUSED or code in OUTCOME_UNKNOWN or code in _OF_THE_SYSTEM:
        return reading_error(code, message)
    return SlurmRefusedError(
        f"Slurm does not let the job begin: {message}. A rule of the cluster is against it (`JobSubmitPlugins`).",
        slurm_code=code,
        slurm_message=message,
    )


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
