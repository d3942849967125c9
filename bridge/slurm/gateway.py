"""The only door from HTTP to Slurm: submissions, cancellations, looks at the queue, questions. Each by a deadline."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from bridge.deadline import Deadline
from bridge.errors import BridgeError, ControllerUnreachableError
from bridge.slurm.errors import WorkerLostError, outcome_unknown, reading_error, submission_error
from bridge.slurm.messages import (
    AskController,
    Bug,
    Cancel,
    Cancelled,
    ControllerFacts,
    ControllerPing,
    Failure,
    Find,
    Found,
    JobDescriptor,
    JobSnapshot,
    LoadQueue,
    Ping,
    Pinged,
    QueueChange,
    Reply,
    Request,
    Submit,
    Submitted,
)
from bridge.slurm.pool import WorkerPool
from bridge.slurm.worker import worker_main

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class WorkerCount:
    """How many of the processes that talk to Slurm there should be, and how many there are."""

    wanted: int
    alive: int
    failure: str | None  # why one could not be started, the last time that was tried


class Gateway(Protocol):
    """What the HTTP side may ask of Slurm. Every method raises a `bridge.errors.BridgeError` where Slurm will not."""

    def submit(self, descriptor: JobDescriptor, deadline: Deadline) -> str:
        """Submit a job and return its id."""

    def find(self, job_id: str, deadline: Deadline) -> JobSnapshot | None:
        """The job as it is now, `None` where there is no such job of ours."""

    def queue(self, deadline: Deadline) -> QueueChange:
        """What has changed since the last call among all jobs of ours."""

    def cancel(self, job_id: str, deadline: Deadline) -> bool:
        """Cancel a job; False where it has ended already or is unknown."""

    def controller(self, deadline: Deadline) -> ControllerFacts:
        """What the controller says of itself."""

    def find_past(self, job_ids: Sequence[str], deadline: Deadline) -> tuple[JobSnapshot, ...]:
        """The jobs of these ids that accounting knows; none on a cluster without accounting."""

    def past(self, since: int, until: int, deadline: Deadline) -> tuple[JobSnapshot, ...]:
        """All that accounting knows of jobs that waited, ran or ended in this time, in seconds since the epoch."""

    def ping(self, deadline: Deadline) -> tuple[ControllerPing, ...]:
        """One entry a controller of the cluster, the primary first."""

    def workers(self) -> WorkerCount:
        """The state of the gateway's own processes; asks nobody."""


class SlurmGateway:
    """The real one.

    Submissions, looks at the queue and questions have workers of their own, so that none waits for the others.
    """

    def __init__(self, *, slurm_conf_path: Path | None, workers: int) -> None:
        arguments = (None if slurm_conf_path is None else str(slurm_conf_path),)
        self._writers = WorkerPool(worker_main, arguments, size=workers)
        self._reader = WorkerPool(worker_main, arguments, size=1)
        self._asker = WorkerPool(worker_main, arguments, size=1)
        self._pools = (self._writers, self._reader, self._asker)

    def start(self) -> None:
        """Bring all workers up. Raises `WorkerUnavailableError` with the reason where that fails."""
        for pool in self._pools:
            pool.start()

    def close(self) -> None:
        """End all workers."""
        for pool in self._pools:
            pool.close()

    def submit(self, descriptor: JobDescriptor, deadline: Deadline) -> str:
        """See `Gateway`."""
        try:
            reply = self._writers.call(Submit(descriptor), deadline)
        except WorkerLostError as error:
            raise outcome_unknown(str(error)) from None
        return _expect(Submitted, reply, submission_error).job_id

    def find(self, job_id: str, deadline: Deadline) -> JobSnapshot | None:
        """See `Gateway`."""
        return self._read(self._asker, Find(int(job_id)), Found, deadline).job

    def queue(self, deadline: Deadline) -> QueueChange:
        """See `Gateway`."""
        return self._read(self._reader, LoadQueue(), QueueChange, deadline)

    def cancel(self, job_id: str, deadline: Deadline) -> bool:
        """See `Gateway`."""
        return self._read(self._asker, Cancel(job_id), Cancelled, deadline).is_taken

    def controller(self, deadline: Deadline) -> ControllerFacts:
        """See `Gateway`."""
        return self._read(self._asker, AskController(), ControllerFacts, deadline)

    def find_past(self, job_ids: Sequence[str], deadline: Deadline) -> tuple[JobSnapshot, ...]:
        """See `Gateway`."""
        return ()

    def past(self, since: int, until: int, deadline: Deadline) -> tuple[JobSnapshot, ...]:
        """See `Gateway`."""
        return ()

    def ping(self, deadline: Deadline) -> tuple[ControllerPing, ...]:
        """See `Gateway`."""
        return self._read(self._asker, Ping(), Pinged, deadline).controllers

    def workers(self) -> WorkerCount:
        """See `Gateway`."""
        failures = [pool.start_failure for pool in self._pools if pool.start_failure is not None]
        alive = sum(pool.alive for pool in self._pools)
        return WorkerCount(sum(pool.size for pool in self._pools), alive, failures[0] if failures else None)

    def _read(self, pool: WorkerPool, request: Request, wanted: type[R], deadline: Deadline) -> R:
        try:
            return _expect(wanted, pool.call(request, deadline), reading_error)
        except WorkerLostError as error:
            raise ControllerUnreachableError(f"{error}. Ask again later.") from None


def _expect(wanted: type[R], reply: Reply, error_for: Callable[[int, str], BridgeError]) -> R:
    if isinstance(reply, wanted):
        return reply
    if isinstance(reply, Failure):
        raise error_for(reply.code, reply.message)
    what = reply.traceback if isinstance(reply, Bug) else f"it answered {type(reply).__name__}"
    raise RuntimeError(f"in a worker: {what}")
