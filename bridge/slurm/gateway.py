"""What the other layers may ask of Slurm; each question has a deadline."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from bridge.core.deadline import Deadline
from bridge.slurm.messages import (
    Cancel,
    ControllerFacts,
    ControllerPing,
    FollowedJob,
    JobDescriptor,
    JobSnapshot,
    QueueChange,
    Requeue,
    RequeueOutcome,
)


@dataclass(frozen=True, slots=True)
class WorkerCount:
    """How many of the processes that talk to Slurm there should be, and how many there are."""

    wanted: int
    alive: int
    failure: str | None  # why one could not be started, the last time that was tried
    restarts: Mapping[str, int]  # how often one had to be replaced, by what they are for


class Gateway(Protocol):
    """What the other layers may ask of Slurm. Every method raises a `BridgeError` where Slurm will not answer."""

    def submit(self, descriptor: JobDescriptor, deadline: Deadline) -> str:
        """Submit a job and return its id."""

    def find(self, job_id: str, deadline: Deadline) -> JobSnapshot | None:
        """The job as it is now, `None` where there is no such job of ours."""

    def queue(self, deadline: Deadline, followed: Sequence[FollowedJob] = ()) -> QueueChange:
        """What has changed since the last call among all jobs of ours: by their comments, and those of `followed`."""

    def cancel(self, request: Cancel, deadline: Deadline) -> bool:
        """Cancel a job; False where it is not there any more as `request` says, or has ended already."""

    def release(self, job_id: str, deadline: Deadline) -> None:
        """Let a job that was submitted with a `begin_time` begin as soon as it can."""

    def requeue(self, jobs: Sequence[Requeue], deadline: Deadline) -> Sequence[RequeueOutcome]:
        """Run jobs again that have ended. What became of each, in their order."""

    def controller(self, deadline: Deadline) -> ControllerFacts:
        """What the controller says of itself."""

    def ping(self, deadline: Deadline) -> tuple[ControllerPing, ...]:
        """One entry a controller of the cluster, the primary first."""

    def find_past(self, job_id: str, deadline: Deadline) -> JobSnapshot | None:
        """The job as accounting has it, once it has ended; `None` where it has none of ours, or the cluster has none.

        Raises `AccountingUnreachableError` where slurmdbd does not answer by `deadline`, and what `controller` does as
        long as the controller has never said whether there is one.
        """

    def past(self, since: int, until: int, deadline: Deadline) -> tuple[JobSnapshot, ...]:
        """All jobs of ours that ended from `since` to `until`, as accounting has them; `()` on a cluster without it.

        In seconds since the epoch, both ends included. A job that its node's failure started again may be told as that
        run ended: where the controller knows a job, its word goes first. Raises what `find_past` does.
        """

    def ping_accounting(self, deadline: Deadline) -> bool:
        """True where slurmdbd answers, False on a cluster without it. Raises what `find_past` does."""

    def verify_token(self, token: str, deadline: Deadline) -> bool:
        """Whether the controller accepts a token of Slurm's. Which user it then takes the bearer for is `sun` in it.

        Raises `ControllerUnreachableError` where it does not say so, `SlurmRefusedError` where it knows no tokens.
        """

    def workers(self) -> WorkerCount:
        """The state of the gateway's own processes; asks nobody."""
