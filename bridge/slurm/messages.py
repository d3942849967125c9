"""What crosses the border between the web process and the processes that hold pyslurm: plain frozen data.

Never an exception, never a pyslurm object: neither survives pickling faithfully. Tuples, because dataclasses take six
times as long to make.
"""

import pickle
from collections.abc import Mapping
from typing import Any, NamedTuple, get_args


class JobDescriptor(NamedTuple):
    """A batch job as it goes to Slurm; each field names the `sbatch` option it stands for.

    `None` leaves the choice to the cluster (its default partition, account, QOS, time limit, memory). As a request:
    submit this job. Reply: `Submitted`.
    """

    name: str  # --job-name
    script: str  # the batch script's text; the same for every job of a kind
    # --export; the whole of it, nothing is inherited from the service; holds secrets
    environment: Mapping[str, str]
    comment: str  # --comment; compact JSON, see bridge.comments
    working_folder: str  # --chdir
    stdout_path: str  # --output, may hold %x and %j
    stderr_path: str  # --error, may hold %x and %j
    partition: str | None  # --partition
    account: str | None  # --account
    qos: str | None  # --qos
    time_limit_minutes: int | None  # --time
    memory_mib: int | None  # --mem
    cpus: int  # --cpus-per-task
    nice: int  # --nice

    def __repr__(self) -> str:
        """Without the environment."""
        return f"JobDescriptor(name={self.name!r}, comment={self.comment!r})"


class JobSnapshot(NamedTuple):
    """A job as the controller described it at one moment, or as accounting keeps it, which has no reasons.

    Times are seconds since the epoch, `None` if not yet known.
    """

    job_id: str  # "17", or "20_3" for an array element
    comment: str
    state: str  # Slurm's own word, e.g. PENDING
    state_reason: str | None  # Slurm's own word, e.g. Resources
    exit_code: int
    signal: int
    submit_time: int | None
    start_time: int | None
    end_time: int | None
    nodes: str | None
    partition: str | None
    restarts: int
    cancelled_by: str | None = None  # name of the user; only accounting knows it


class ControllerPing(NamedTuple):
    """Whether one of the cluster's controllers answers."""

    host: str
    is_responding: bool


class Find(NamedTuple):
    """Look one job up. Reply: `Found`."""

    job_id: int


class Ping(NamedTuple):
    """Ask every controller for a sign of life. Reply: `Pinged`."""


class LoadQueue(NamedTuple):
    """Look at all jobs of the service's user that carry a comment of the bridge. Reply: `QueueChange`."""


class Cancel(NamedTuple):
    """Cancel a job. Reply: `Cancelled`."""

    job_id: str


class AskController(NamedTuple):
    """What the controller is. Reply: `ControllerFacts`."""


class FindPast(NamedTuple):
    """Look one job up in accounting. Reply: `Found`, with `None` for a job that has not ended."""

    job_id: str


class LoadPast(NamedTuple):
    """Look up in accounting which jobs of the service's user with a comment of the bridge ended in a window of time.

    In seconds since the epoch, both ends included. Reply: `Past`.
    """

    since: int
    until: int


class VerifyToken(NamedTuple):
    """Ask the controller whether it accepts a token. Reply: `Verified`."""

    token: str

    def __repr__(self) -> str:
        """Without the token."""
        return "VerifyToken()"


class Ready(NamedTuple):
    """A worker's first word: libslurm is initialised."""


class Submitted(NamedTuple):
    """The controller has the job."""

    job_id: str


class Found(NamedTuple):
    """The job, or `None` where the controller knows none of this id that belongs to the service's user."""

    job: JobSnapshot | None


class Pinged(NamedTuple):
    """One entry a controller, the primary first."""

    controllers: tuple[ControllerPing, ...]


class QueueChange(NamedTuple):
    """What has changed since this worker's last look; `is_full` where it is its first, and nothing older counts."""

    is_full: bool
    jobs: tuple[JobSnapshot, ...]  # new or changed
    gone: tuple[str, ...]  # ids that the controller does not know any more


class Cancelled(NamedTuple):
    """What became of a cancellation."""

    is_taken: bool  # False: the job has ended already, or is unknown


class ControllerFacts(NamedTuple):
    """What the controller says of itself."""

    booted_at: int  # when it was started, in seconds since the epoch
    min_job_age_seconds: int  # for how long it remembers a job that has ended
    has_accounting: bool  # whether it reports to slurmdbd, which remembers longer
    has_tokens: bool  # whether it knows tokens (auth/jwt), and libslurm here does


class Verified(NamedTuple):
    """The controller's word on a token."""

    is_good: bool


class Past(NamedTuple):
    """Jobs that have ended, in no order."""

    jobs: tuple[JobSnapshot, ...]


class Bug(NamedTuple):
    """What the worker did not expect: where it happened, without any value, which may be a secret."""

    traceback: str


class Failure(NamedTuple):
    """Slurm's refusal: its error number (`slurm/slurm_errno.h`) and its words."""

    code: int
    message: str


Request = JobDescriptor | Find | Ping | LoadQueue | Cancel | AskController | FindPast | LoadPast | VerifyToken
Reply = Submitted | Found | Pinged | QueueChange | Cancelled | ControllerFacts | Past | Verified | Failure | Bug
Message = Ready | Request | Reply

_KINDS = get_args(Message)
_NUMBERS = {kind: number for number, kind in enumerate(_KINDS)}


def to_bytes(message: Message) -> bytes:
    """For `from_bytes` in another process. To pickle what a message holds takes a third of what the message would."""
    return pickle.dumps((_NUMBERS[type(message)], *message), pickle.HIGHEST_PROTOCOL)


def from_bytes(data: bytes | memoryview) -> Any:
    """The message. `data` is from a process of our own: whoever makes it up runs code here."""
    number, *fields = pickle.loads(data)  # noqa: S301
    return _KINDS[number]._make(fields)
