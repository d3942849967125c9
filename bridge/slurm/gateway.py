"""The only door from HTTP to Slurm: submit a job, find one, see whether the controllers answer. Each by a deadline."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from bridge.deadline import Deadline
from bridge.errors import ControllerUnreachableError
from bridge.slurm.errors import WorkerLostError, error_for, outcome_unknown
from bridge.slurm.messages import (
    ControllerPing,
    Failure,
    Find,
    Found,
    JobDescriptor,
    JobSnapshot,
    Ping,
    Pinged,
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


class Gateway(Protocol):
    """What the HTTP side may ask of Slurm. Every method raises a `bridge.errors.BridgeError` where Slurm will not."""

    def submit(self, descriptor: JobDescriptor, deadline: Deadline) -> str:
        """Submit a job and return its id."""

    def find(self, job_id: str, deadline: Deadline) -> JobSnapshot | None:
        """The job as it is now, `None` where there is no such job of ours."""

    def ping(self, deadline: Deadline) -> tuple[ControllerPing, ...]:
        """One entry a controller of the cluster, the primary first."""

    def workers(self) -> WorkerCount:
        """The state of the gateway's own processes; asks nobody."""


class SlurmGateway:
    """The real one. Submissions and reads have workers of their own, so that neither waits for the other."""

    def __init__(self, *, slurm_conf_path: Path | None, workers: int, max_waiting: int) -> None:
        arguments = (None if slurm_conf_path is None else str(slurm_conf_path),)
        self._writers = WorkerPool(worker_main, arguments, size=workers, max_waiting=max_waiting)
        self._reader = WorkerPool(worker_main, arguments, size=1, max_waiting=max_waiting)
        self._user_id = -1

    def start(self) -> None:
        """Bring all workers up. Raises `WorkerUnavailableError` with the reason where that fails."""
        self._user_id = self._writers.start()
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
        return _expect(Submitted, reply).job_id

    def find(self, job_id: str, deadline: Deadline) -> JobSnapshot | None:
        """See `Gateway`. A job of ours belongs to the service's user and carries our comment; see `bridge.comments`."""
        job = _expect(Found, self._read(Find(int(job_id)), deadline)).job
        return job if job is not None and job.user_id == self._user_id else None

    def ping(self, deadline: Deadline) -> tuple[ControllerPing, ...]:
        """See `Gateway`."""
        return _expect(Pinged, self._read(Ping(), deadline)).controllers

    def workers(self) -> WorkerCount:
        """See `Gateway`."""
        return WorkerCount(self._writers.size + self._reader.size, self._writers.alive + self._reader.alive)

    def _read(self, request: Request, deadline: Deadline) -> Reply:
        try:
            return self._reader.call(request, deadline)
        except WorkerLostError as error:
            raise ControllerUnreachableError(f"{error}. Ask again later.") from None


def _expect(wanted: type[R], reply: Reply) -> R:
    if isinstance(reply, Failure):
        raise error_for(reply.code, reply.message)
    if not isinstance(reply, wanted):
        raise TypeError(f"a worker answered {type(reply).__name__} where {wanted.__name__} was due")
    return reply
