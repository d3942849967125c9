"""The only door from HTTP to Slurm: submissions, cancellations, looks at the queue, questions. Each by a deadline."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from bridge.deadline import Deadline
from bridge.errors import ControllerUnreachableError
from bridge.slurm.errors import WorkerLostError, outcome_unknown, reading_error, submission_error
from bridge.slurm.history import History
from bridge.slurm.messages import (
    AskController,
    Cancel,
    Cancelled,
    ControllerFacts,
    ControllerPing,
    Find,
    Found,
    JobDescriptor,
    JobSnapshot,
    LoadQueue,
    Ping,
    Pinged,
    QueueChange,
    Request,
    Submitted,
)
from bridge.slurm.pool import WorkerPool
from bridge.slurm.replies import expect
from bridge.slurm.token_checks import TokenChecks
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


class SlurmGateway:
    """The real one.

    Submissions, looks at the queue, questions, the past and tokens have workers of their own, so that none waits for
    the others.
    """

    def __init__(self, *, slurm_conf_path: Path | None, workers: int) -> None:
        arguments = (None if slurm_conf_path is None else str(slurm_conf_path),)
        self._writers = WorkerPool(worker_main, arguments, size=workers)
        self._reader = WorkerPool(worker_main, arguments, size=1)
        self._asker = WorkerPool(worker_main, arguments, size=1)
        self._pools = (self._writers, self._reader, self._asker)
        self._history = History(self.controller, arguments)
        self._token_checks = TokenChecks(self.controller, arguments)

    def start(self) -> None:
        """Bring all workers up. Raises `WorkerUnavailableError` with the reason where that fails."""
        for pool in self._pools:
            pool.start()

    def close(self) -> None:
        """End all workers."""
        for pool in self._pools:
            pool.close()
        self._history.close()
        self._token_checks.close()

    def submit(self, descriptor: JobDescriptor, deadline: Deadline) -> str:
        """See `Gateway`."""
        try:
            reply = self._writers.call(descriptor, deadline)
        except WorkerLostError as error:
            raise outcome_unknown(str(error)) from None
        return expect(Submitted, reply, submission_error).job_id

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
        facts = self._read(self._asker, AskController(), ControllerFacts, deadline)
        self._history.learn(facts)
        return facts

    def ping(self, deadline: Deadline) -> tuple[ControllerPing, ...]:
        """See `Gateway`."""
        return self._read(self._asker, Ping(), Pinged, deadline).controllers

    def find_past(self, job_id: str, deadline: Deadline) -> JobSnapshot | None:
        """See `Gateway`."""
        return self._history.find(job_id, deadline)

    def past(self, since: int, until: int, deadline: Deadline) -> tuple[JobSnapshot, ...]:
        """See `Gateway`."""
        return self._history.jobs(since, until, deadline)

    def ping_accounting(self, deadline: Deadline) -> bool:
        """See `Gateway`."""
        self._history.jobs(1, 1, deadline)
        return self._history.has_accounting(deadline)

    def verify_token(self, token: str, deadline: Deadline) -> bool:
        """See `Gateway`."""
        return self._token_checks.verify(token, deadline)

    def workers(self) -> WorkerCount:
        """See `Gateway`."""
        pools = (*self._pools, *self._history.pools, *self._token_checks.pools)
        failures = [pool.start_failure for pool in pools if pool.start_failure is not None]
        alive = sum(pool.alive for pool in pools)
        return WorkerCount(sum(pool.size for pool in pools), alive, failures[0] if failures else None)

    def _read(self, pool: WorkerPool, request: Request, wanted: type[R], deadline: Deadline) -> R:
        try:
            return expect(wanted, pool.call(request, deadline), reading_error)
        except WorkerLostError as error:
            raise ControllerUnreachableError(f"{error}. Ask again later.") from None
