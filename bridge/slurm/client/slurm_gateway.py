"""Every call to Slurm, made by the workers."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from bridge.core.deadline import Deadline
from bridge.core.errors import BridgeError, ControllerUnreachableError
from bridge.slurm.client.accounting import AccountingClient
from bridge.slurm.client.pings import PingClient
from bridge.slurm.client.pool import WorkerPool
from bridge.slurm.client.replies import expect
from bridge.slurm.client.start_gate import StartGate
from bridge.slurm.client.submission_rate import SubmissionRate
from bridge.slurm.client.tokens import TokenClient
from bridge.slurm.errors import (
    NO_ANSWER,
    WorkerLostError,
    outcome_unknown,
    reading_error,
    release_error,
    requeue_error,
    submission_error,
)
from bridge.slurm.gateway import WorkerCount
from bridge.slurm.message_format import Request
from bridge.slurm.messages import (
    Acceptable,
    AskCluster,
    AskController,
    Cancel,
    Cancelled,
    ClusterFacts,
    ControllerFacts,
    ControllerPing,
    Find,
    FollowedJob,
    Found,
    JobDescriptor,
    JobSnapshot,
    LoadQueue,
    QueueChange,
    Release,
    Released,
    Requeue,
    Requeued,
    RequeueJobs,
    RequeueOutcome,
    Submitted,
    TrySubmission,
)
from bridge.slurm.worker.main import worker_main

R = TypeVar("R")


class SlurmGateway:
    """The `Gateway` of the service.

    Submissions, looks at the queue, questions, the past and tokens have workers of their own, so that none waits for
    the others.
    """

    def __init__(self, *, slurm_conf_path: Path | None, workers: int) -> None:
        arguments = (None if slurm_conf_path is None else str(slurm_conf_path),)
        gate = StartGate()
        self._writers = WorkerPool(worker_main, arguments, gate, size=workers)
        self._reader = WorkerPool(worker_main, arguments, gate, size=1)
        self._asker = WorkerPool(worker_main, arguments, gate, size=1)
        self._pools = (self._writers, self._reader, self._asker)
        self._submission_rate = SubmissionRate()
        self._pings = PingClient(arguments, gate)
        self._history = AccountingClient(self.controller, arguments, gate)
        self._token_checks = TokenClient(self.controller, arguments, gate)

    def start(self) -> None:
        """Bring all workers up. Raises `WorkerUnavailableError` with the reason where that fails."""
        for pool in self._pools:
            pool.start()

    def close(self) -> None:
        """End all workers."""
        for pool in self._pools:
            pool.close()
        self._pings.close()
        self._history.close()
        self._token_checks.close()

    def submit(self, descriptor: JobDescriptor, deadline: Deadline) -> str:
        """See `Gateway`."""
        try:
            with self._submission_rate.admitted(deadline):
                reply = self._writers.call(descriptor, deadline)
        except WorkerLostError as error:
            raise outcome_unknown(str(error)) from None
        return expect(Submitted, reply, submission_error).job_id

    def find(self, job_id: str, deadline: Deadline) -> JobSnapshot | None:
        """See `Gateway`."""
        return self._read(self._asker, Find(int(job_id)), Found, deadline).job

    def queue(self, deadline: Deadline, followed: Sequence[FollowedJob] = ()) -> QueueChange:
        """See `Gateway`."""
        return self._read(self._reader, LoadQueue(tuple(followed)), QueueChange, deadline)

    def cancel(self, request: Cancel, deadline: Deadline) -> bool:
        """See `Gateway`."""
        return self._read(self._asker, request, Cancelled, deadline).is_taken

    def release(self, job_id: str, deadline: Deadline) -> None:
        """See `Gateway`."""
        self._read(self._asker, Release(job_id), Released, deadline, release_error)

    def requeue(self, jobs: Sequence[Requeue], deadline: Deadline) -> Sequence[RequeueOutcome]:
        """See `Gateway`."""
        try:
            return expect(Requeued, self._asker.call(RequeueJobs(tuple(jobs)), deadline), requeue_error).outcomes
        except WorkerLostError as error:
            raise requeue_error(NO_ANSWER, str(error)) from None

    def controller(self, deadline: Deadline) -> ControllerFacts:
        """See `Gateway`."""
        facts = self._read(self._asker, AskController(), ControllerFacts, deadline)
        self._history.learn(facts)
        self._submission_rate.learn(facts.rpc_limit)
        return facts

    def ping(self, deadline: Deadline) -> tuple[ControllerPing, ...]:
        """See `Gateway`."""
        return self._pings.ping(deadline)

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

    def cluster(self, deadline: Deadline) -> ClusterFacts:
        """What a check of the settings needs to know of the cluster. Raises what the methods of `Gateway` raise."""
        return self._read(self._asker, AskCluster(), ClusterFacts, deadline)

    def try_submission(self, descriptor: JobDescriptor, deadline: Deadline) -> None:
        """Raise what `submit` would raise for this job, which Slurm does not get."""
        try:
            expect(Acceptable, self._asker.call(TrySubmission(descriptor), deadline), submission_error)
        except WorkerLostError as error:
            raise ControllerUnreachableError(f"{error}. Ask again later.") from None

    def workers(self) -> WorkerCount:
        """See `Gateway`."""
        by_purpose = {
            "submissions": (self._writers,),
            "queue": (self._reader,),
            "questions": (self._asker,),
            "pings": self._pings.pools,
            "accounting": self._history.pools,
            "tokens": self._token_checks.pools,
        }
        pools = [pool for group in by_purpose.values() for pool in group]
        restarts = {purpose: sum(pool.restarts for pool in group) for purpose, group in by_purpose.items()}
        failures = [pool.start_failure for pool in pools if pool.start_failure is not None]
        alive = sum(pool.alive for pool in pools)
        return WorkerCount(sum(pool.size for pool in pools), alive, failures[0] if failures else None, restarts)

    def _read(
        self,
        pool: WorkerPool,
        request: Request,
        wanted: type[R],
        deadline: Deadline,
        error_for: Callable[[int, str], BridgeError] = reading_error,
    ) -> R:
        try:
            return expect(wanted, pool.call(request, deadline), error_for)
        except WorkerLostError as error:
            raise ControllerUnreachableError(f"{error}. Ask again later.") from None
