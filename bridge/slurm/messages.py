"""What crosses the border between the web process and the processes that hold pyslurm: plain frozen data.

Never an exception, never a pyslurm object. Structs rather than dataclasses: they take a tenth of the time to make.
"""

from collections.abc import Mapping

import msgspec


class _Part(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Part of a message. Without cycles, so that no garbage collection has to look at it."""


class _Message(_Part, frozen=True, tag=True):
    """A message; it begins with the name of its class."""


class JobDescriptor(_Message, frozen=True):
    """A batch job as it goes to Slurm; each field names the `sbatch` option it stands for.

    `None` leaves the choice to the cluster (its default partition, account, QOS, time limit, memory). As a request:
    submit this job. Reply: `Submitted`.
    """

    name: str  # --job-name
    script: str  # the batch script's text; the same for every job of a kind
    # --export; the whole of it, nothing is inherited from the service; holds secrets
    environment: Mapping[str, str]
    comment: str  # --comment, and --extra; compact JSON, see bridge.jobs.requests.metadata
    working_folder: str  # --chdir
    stdout_path: str  # --output, may hold %j
    stderr_path: str  # --error, may hold %j
    partition: str | None  # --partition
    account: str | None  # --account
    qos: str | None  # --qos
    time_limit_minutes: int | None  # --time
    memory_mib: int | None  # --mem
    cpus: int  # --cpus-per-task
    nice: int  # --nice
    begin_time: int | None = None  # --begin; seconds since the epoch
    excluded_nodes: tuple[str, ...] = ()  # --exclude; names that Slurm does not know do no harm
    indices: tuple[int, ...] | None = None  # --array, in rising order; `None`: the job is no array
    running_max: int | None = None  # how many elements may run at once: the %N of --array
    dependency: str | None = None  # --dependency; where it can never be met, Slurm cancels the job
    is_singleton: bool = False  # and on all jobs of its name that were submitted before

    def __repr__(self) -> str:
        """Without the environment."""
        return f"JobDescriptor(name={self.name!r}, comment={self.comment!r})"


class JobSnapshot(_Part, frozen=True):
    """A job as the controller described it at one moment, or as accounting keeps it, which has no reasons.

    Times are seconds since the epoch, `None` if not yet known.
    """

    job_id: str  # "17", or "20_3" for an array element
    comment: str  # the bridge's part of it; empty where it was removed
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
    suspended_seconds: int = 0  # of a job that has ended: how much of the time since its start it was suspended
    cancelled_by: str | None = None  # name of the user; only accounting knows it
    note: str | None = None  # why it runs again, in the bridge's words: see `bridge.slurm.comments`
    time_limit_minutes: int | None = None  # `None`: there is none, or only accounting remembers the job
    cpu_seconds: int | None = None  # of its processes, as `max_memory_bytes`: only accounting knows them
    max_memory_bytes: int | None = None  # resident, at most, as often as Slurm looked
    is_singleton: bool = False  # its name says that it was submitted so: see `bridge.slurm.singletons`


class ControllerPing(_Part, frozen=True):
    """Whether one of the cluster's controllers answers."""

    host: str
    is_responding: bool


class Find(_Message, frozen=True):
    """Look one job up. Reply: `Found`."""

    job_id: int


class Ping(_Message, frozen=True):
    """Ask every controller for a sign of life. Reply: `Pinged`."""


class FollowedJob(_Part, frozen=True):
    """A job that the bridge knows to be its own, whatever its comment says."""

    job_id: str
    submit_time: int | None  # `None`: not known yet


class LoadQueue(_Message, frozen=True):
    """Look at all jobs of the service's user that carry a comment of the bridge, or are followed.

    Reply: `QueueChange`.
    """

    followed: tuple[FollowedJob, ...] = ()


class Cancel(_Message, frozen=True):
    """Cancel a job if it still is the one that was seen. Reply: `Cancelled`.

    An id comes again with another job, after a crash of the controller and where Slurm begins anew (MaxJobId). The job
    is the same if its comment is, which an admin may change, or its time of submission, which a requeue changes.
    """

    job_id: str  # or several elements of an array: "20_[0-2,7]"
    comment: str
    submit_time: int | None
    only_waiting: bool = False  # leave it alone, or those of the elements that have started


class Release(_Message, frozen=True):
    """Let a job that was to begin later (`begin_time`) begin as soon as it can. Reply: `Released`."""

    job_id: str


class Requeue(_Part, frozen=True):
    """A job that has ended and is to run again, if it still is the one that was seen.

    Slurm puts it back into the queue with all that it had, and lets it begin two minutes later at the earliest.
    """

    job_id: str
    comment: str
    submit_time: int | None  # of its last run
    begin_time: int | None = None  # not before, in seconds since the epoch; `None`: as soon as Slurm lets it
    dependency: str | None = None  # as in `JobDescriptor`; what was not met is not met again
    note: str | None = None  # to be written into its comment
    memory_max_mib: int | None = None  # give it twice the memory, up to this
    time_max_minutes: int | None = None  # and twice the time
    excluded_nodes: tuple[str, ...] = ()  # where it is not to run again


class RequeueJobs(_Message, frozen=True):
    """Run jobs again that have ended. Reply: `Requeued`."""

    jobs: tuple[Requeue, ...]


class AskController(_Message, frozen=True):
    """What the controller is. Reply: `ControllerFacts`."""


class AskCluster(_Message, frozen=True):
    """What the cluster is, for a check of the settings. Reply: `ClusterFacts`."""


class TrySubmission(_Message, frozen=True):
    """Ask whether Slurm would accept a job; it gets none. Reply: `Acceptable`."""

    job: JobDescriptor


class FindPast(_Message, frozen=True):
    """Look one job up in accounting. Reply: `Found`, with `None` for a job that has not ended."""

    job_id: str


class LoadPast(_Message, frozen=True):
    """Look up in accounting which jobs of the service's user with a comment of the bridge ended in a window of time.

    In seconds since the epoch, both ends included. Reply: `Past`.
    """

    since: int
    until: int


class VerifyToken(_Message, frozen=True):
    """Ask the controller whether it accepts a token. Reply: `Verified`."""

    token: str

    def __repr__(self) -> str:
        """Without the token."""
        return "VerifyToken()"


class Ready(_Message, frozen=True):
    """A worker's first word: libslurm is initialised."""


class Submitted(_Message, frozen=True):
    """The controller has the job."""

    job_id: str


class Found(_Message, frozen=True):
    """The job, or `None` where the controller knows none of this id that belongs to the service's user."""

    job: JobSnapshot | None


class Pinged(_Message, frozen=True):
    """One entry a controller, the primary first."""

    controllers: tuple[ControllerPing, ...]


class QueueChange(_Message, frozen=True):
    """What has changed since this worker's last look; `is_full` where it is its first, and nothing older counts."""

    is_full: bool
    jobs: tuple[JobSnapshot, ...]  # new or changed
    gone: tuple[str, ...]  # ids that the controller does not know any more


class Cancelled(_Message, frozen=True):
    """What became of a cancellation."""

    # False: the job has ended already, is unknown or another one, or has started (`only_waiting`, any of the elements)
    is_taken: bool


class RequeueOutcome(_Part, frozen=True):
    """What became of a job that was to be run again."""

    is_taken: bool
    # Why not, in Slurm's number and words; 0: it has not ended, is unknown, another one, or waits again. Of one that is
    # taken: why it was not changed as it was to be.
    code: int = 0
    message: str = ""


class Requeued(_Message, frozen=True):
    """What became of jobs that were to be run again."""

    outcomes: tuple[RequeueOutcome, ...]  # one a job, in their order


class RpcLimit(_Part, frozen=True):
    """How many requests of one user the controller takes (`rl_enable` in SlurmctldParameters)."""

    bucket_size: int  # at once, after a time without any
    per_second: float  # in the long run


class Released(_Message, frozen=True):
    """The job may begin, or has ended meanwhile."""


class ControllerFacts(_Message, frozen=True):
    """What the controller says of itself."""

    booted_at: int  # when it was started, in seconds since the epoch
    min_job_age_seconds: int  # for how long it remembers a job that has ended
    has_accounting: bool  # whether it reports to slurmdbd, which remembers longer
    has_tokens: bool  # whether it knows tokens (auth/jwt), and libslurm here does
    rpc_limit: RpcLimit | None = None  # None: there is no limit


class ClusterFacts(_Message, frozen=True):
    """What a check of the settings needs to know of the cluster."""

    pyslurm_release: str
    slurm_release: str  # the controller's
    clock: int  # the controller's, in seconds since the epoch
    booted_at: int  # when the controller read slurm.conf
    accounting_flags: tuple[str, ...]  # AccountingStoreFlags
    submit_plugins: tuple[str, ...]  # JobSubmitPlugins


class Acceptable(_Message, frozen=True):
    """Slurm would accept the job."""


class Verified(_Message, frozen=True):
    """The controller's word on a token."""

    is_good: bool


class Past(_Message, frozen=True):
    """Jobs that have ended, in no order."""

    jobs: tuple[JobSnapshot, ...]


class Bug(_Message, frozen=True):
    """What the worker did not expect: where it happened, without any value, which may be a secret."""

    traceback: str


class Failure(_Message, frozen=True):
    """Slurm's refusal: its error number (`slurm/slurm_errno.h`) and its words."""

    code: int
    message: str


class NotSent(_Message, frozen=True):
    """The request did not leave the worker, since Slurm could not be reached before: its number and its words."""

    code: int
    message: str
