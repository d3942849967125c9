"""The only door from HTTP to Slurm: submit a job, find one, see whether the controllers answer. Each by a deadline."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from bridge.deadline import Deadline
from bridge.errors import BridgeError, ControllerUnreachableError
from bridge.slurm.errors import WorkerLostError, outcome_unknown, reading_error, submission_error
from bridge.slurm.messages import (
    AskBootTime,
    BootTime,
    Bug,
    Cancel,
    Cancelled,
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

    def cancel(self, job_id: str, deadline: Deadline) -> None:
        """Cancel a job; no error where it has ended or is unknown."""

    def booted_at(self, deadline: Deadline) -> int:
        """When the controller started, in seconds since the epoch."""

    def ping(self, deadline: Deadline) -> tuple[ControllerPing, ...]:
        """One entry a controller of the cluster, the primary first."""

    def workers(self) -> WorkerCount:
        """The state of the gateway's own processes; asks nobody."""


class SlurmGateway:
    """The real one. Submissions and reads have workers of their own, so that neither waits for the other."""

    def __init__(self, *, slurm_conf_path: Path | None, workers: int) -> None:
        arguments = (None if slurm_conf_path is None else str(slurm_conf_path),)
        self._writers = WorkerPool(worker_main, arguments, size=workers)
        self._reader = WorkerPool(worker_main, arguments, size=1)

    def start(self) -> None:
        """Bring all workers up. Raises `WorkerUnavailableError` with the reason where that fails."""
        self._writers.start()
        self._reader.start()

    def close(self) -> None:
        """End all workers."""
        self._writers.close()
        self._reader.close()

    def submit(self, descriptor: JobDescriptor, deadline: Deadline) -> str:
        """See `Gateway`."""
        try:
            reply = self._writers.call(Submit(descriptor), deadline)
        except WorkerLostError as error:
            raise outcome_unknown(str(error)) from None
        return _expect(Submitted, reply, submission_error).job_id

    def find(self, job_id: str, deadline: Deadline) -> JobSnapshot | None:
        """See `Gateway`."""
        return self._read(Find(int(job_id)), Found, deadline).job

    def queue(self, deadline: Deadline) -> QueueChange:
        """See `Gateway`."""
        return self._read(LoadQueue(), QueueChange, deadline)

    def cancel(self, job_id: str, deadline: Deadline) -> None:
        """See `Gateway`."""
        self._read(Cancel(int(job_id)), Cancelled, deadline)

    def booted_at(self, deadline: Deadline) -> int:
        """See `Gateway`."""
        return self._read(AskBootTime(), BootTime, deadline).booted_at

    def ping(self, deadline: Deadline) -> tuple[ControllerPing, ...]:
        """See `Gateway`."""
        return self._read(Ping(), Pinged, deadline).controllers

    def workers(self) -> WorkerCount:
        """See `Gateway`."""
        pools = (self._writers, self._reader)
        failures = [pool.start_failure for pool in pools if pool.start_failure is not None]
        alive = sum(pool.alive for pool in pools)
        return WorkerCount(sum(pool.size for pool in pools), alive, failures[0] if failures else None)

    def _read(self, request: Request, wanted: type[R], deadline: Deadline) -> R:
        try:
            return _expect(wanted, self._reader.call(request, deadline), reading_error)
        except WorkerLostError as error:
            raise ControllerUnreachableError(f"{error}. Ask again later.") from None


def _expect(wanted: type[R], reply: Reply, error_for: Callable[[int, str], BridgeError]) -> R:
    if isinstance(reply, wanted):
        return reply
    if isinstance(reply, Failure):
        raise error_for(reply.code, reply.message)
    what = reply.traceback if isinstance(reply, Bug) else f"it answered {type(reply).__name__}"
    raise RuntimeError(f"in a worker: {what}")
