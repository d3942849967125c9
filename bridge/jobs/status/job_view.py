"""A job of the bridge as it stood at one moment, and who said so."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from sys import intern
from uuid import UUID

from msgspec.structs import replace

from bridge.jobs.requests.metadata import HELD_SECONDS, JobMetadata
from bridge.slurm.job_ids import cursor_after, index_of, job_order
from bridge.slurm.messages import Cancel, JobSnapshot, Requeue
from bridge.slurm.states import FINISHED_STATES, is_held_by_requeue


class Origin(StrEnum):
    """Who says how a job stands."""

    CONTROLLER = "controller"
    ACCOUNTING = "accounting"
    MEMORY = "memory"  # the controller has forgotten the job, the bridge has not


class Job:
    """A job of the bridge: what Slurm says of it (`snapshot`), and what its comment says (`metadata`).

    Without a dictionary of its own: the bridge keeps 20,000 of them.
    """

    __slots__ = ("metadata", "order", "replaced_by", "runs_again", "snapshot")

    def __init__(self, snapshot: JobSnapshot, metadata: JobMetadata, *, runs_again: bool = False) -> None:
        self.snapshot = snapshot
        self.metadata = metadata
        self.runs_again = runs_again  # its run has ended, and the bridge is about to put it back into the queue
        self.replaced_by: str | None = None  # the job that was submitted instead, for which this one was cancelled
        self.order = job_order(snapshot.submit_time, snapshot.job_id)  # jobs compare by it as they were submitted

    @property
    def id(self) -> str:
        """Slurm's id, as text."""
        return self.snapshot.job_id

    @property
    def state(self) -> str:
        """Slurm's word."""
        return self.snapshot.state

    @property
    def is_pending(self) -> bool:
        """Whether it waits."""
        return self.snapshot.state == "PENDING"

    @property
    def is_finished(self) -> bool:
        """Whether it has ended for good."""
        return self.has_ended and not self.runs_again

    @property
    def has_ended(self) -> bool:
        """Whether its run has ended."""
        return self.snapshot.state in FINISHED_STATES

    @property
    def attempt(self) -> int:
        """Which of its runs this is; the first is 1."""
        return self.snapshot.restarts + 1

    @property
    def is_held(self) -> bool:
        """Whether it waits to be let begin, until the job that is to follow it is there. See `HELD_SECONDS`."""
        job = self.snapshot  # Slurm expects a waiting job to start at its begin time, or later
        waits_seconds = (job.start_time or 0) - (job.submit_time or 0)
        return self.metadata.qaqc and self.is_pending and waits_seconds > HELD_SECONDS // 2

    @property
    def is_left_held(self) -> bool:
        """Whether it was put back into the queue, and what was to give it its dependency ended before that.

        An admin's `scontrol requeuehold` of a job that is to have one looks the same.
        """
        is_to_have_one = self.snapshot.is_singleton or self.metadata.after is not None
        return is_to_have_one and is_held_by_requeue(self.state, self.snapshot.state_reason)

    @property
    def was_in_vain(self) -> bool:
        """Whether Slurm has cancelled it, as the job that it follows did not succeed."""
        return self.state == "CANCELLED" and self.snapshot.state_reason == "DependencyNeverSatisfied"

    @property
    def is_shared(self) -> bool:
        """Whether it follows several jobs, or another does what it was to do: one that fails does not keep it away."""
        return self.replaced_by is not None or len(self.follows) > 1 or self.metadata.until == 0

    @property
    def replaced_ids(self) -> list[str]:
        """The ids of the jobs that it was submitted instead of."""
        return self.metadata.instead.split(",") if self.metadata.instead else []

    def replaces(self, other: "Job") -> bool:
        """Whether it was submitted instead of `other`, and does what that would have done."""
        return other.id in self.replaced_ids and self.metadata.digest == other.metadata.digest

    @property
    def follows(self) -> list[str]:
        """The ids of the jobs that it follows."""
        return self.metadata.after_ids(self.index)

    @property
    def kind(self) -> str:
        """The name of its kind."""
        return self.metadata.kind

    @property
    def thing_uuid(self) -> UUID:
        """The thing that it works for."""
        return self.metadata.thing_of(self.index)

    @property
    def index(self) -> int | None:
        """Of an element of an array, whose elements share their metadata; `None` for any other job."""
        return index_of(self.snapshot.job_id)

    @property
    def key(self) -> str:
        """See `RequestIdentity`. Each element of an array has its own."""
        return self.metadata.key_of(self.index)

    @property
    def request(self) -> tuple[str, str]:
        """Key and digest: two requests may have one key, where two bridges get them at the same time."""
        return self.key, self.metadata.digest

    def is_same(self, other: "Job") -> bool:
        """Whether `other` is this job, maybe at another moment: an id may come again with another one."""
        return self.id == other.id and self.metadata == other.metadata

    def is_seen_in(self, snapshot: JobSnapshot) -> bool:
        """Whether `snapshot` shows this job, whatever its comment says. A requeue changes the time of submission."""
        return self.snapshot.submit_time == snapshot.submit_time or bool(snapshot.restarts)

    def cancellation(self, *, only_waiting: bool = False) -> Cancel:
        """The request to cancel it, as long as its id is not another job's."""
        comment, submit_time = self.metadata.to_json(), self.snapshot.submit_time
        return Cancel(self.id, comment, submit_time, only_waiting=only_waiting)

    def requeue(self) -> Requeue:
        """The request to run it again, as long as its id is not another job's and it has not run again since."""
        dependency = self.metadata.dependency if self.snapshot.nodes is None else None
        return Requeue(self.id, self.metadata.to_json(), self.snapshot.submit_time, dependency=dependency)


def without_another_run(job: Job) -> Job:
    """The same, not to run again: it has left the queue."""
    return Job(job.snapshot, job.metadata) if job.runs_again else job


RunsAgain = Callable[[JobSnapshot, JobMetadata], bool]  # whether the bridge puts a job that has ended into the queue


@dataclass(frozen=True, slots=True)
class JobView:
    """How a job stands, who says so, and when that was said, in seconds since the epoch."""

    job: Job
    origin: Origin
    seen_at: float

    @property
    def id(self) -> str:
        """See `Job`."""
        return self.job.snapshot.job_id

    @property
    def state(self) -> str:
        """See `Job`."""
        return self.job.snapshot.state

    @property
    def kind(self) -> str:
        """See `Job`."""
        return self.job.metadata.kind

    @property
    def is_finished(self) -> bool:
        """See `Job`."""
        return self.job.is_finished

    @property
    def cursor(self) -> str:
        """Where in a list it stands."""
        return cursor_after(self.job.snapshot.submit_time, self.id)

    @property
    def is_lost(self) -> bool:
        """Whether the job left the queue without having been seen to end."""
        return self.origin is Origin.MEMORY and not self.job.has_ended

    @property
    def may_change(self) -> bool:
        """Whether news of the job may still come."""
        return not (self.is_finished or self.is_lost)

    @property
    def may_be_cancelled(self) -> bool:
        """Whether the controller has the job, and it has not ended."""
        return self.origin is Origin.CONTROLLER and not self.is_finished

    @property
    def may_run_again(self) -> bool:
        """Whether the controller has the job, and its run has ended, or another one was begun with and left held."""
        return self.origin is Origin.CONTROLLER and (self.job.has_ended or self.job.is_left_held)


def own_jobs(
    snapshots: Iterable[JobSnapshot],
    known: Callable[[JobSnapshot], JobMetadata | None] = lambda _: None,
    runs_again: RunsAgain = lambda _snapshot, _metadata: False,
) -> list[Job]:
    """The jobs among `snapshots` that carry a comment of the bridge, or are `known` all the same.

    The elements of an array, which come one after the other, share what their comment says.
    """
    jobs: list[Job] = []
    comment, said = "", None
    for snapshot in snapshots:
        if snapshot.comment != comment:
            comment, said = snapshot.comment, JobMetadata.from_json(snapshot.comment)
        metadata = said or known(snapshot)
        if metadata is not None:
            jobs.append(Job(_slim(snapshot), metadata, runs_again=runs_again(snapshot, metadata)))
    return jobs


def _slim(snapshot: JobSnapshot) -> JobSnapshot:
    """Without the text of its comment, and with words that all jobs share: 0.9 KiB a job instead of 1.4."""
    return replace(
        snapshot,
        comment="",
        state=intern(snapshot.state),
        state_reason=snapshot.state_reason and intern(snapshot.state_reason),
        nodes=snapshot.nodes and intern(snapshot.nodes),
        partition=snapshot.partition and intern(snapshot.partition),
    )
