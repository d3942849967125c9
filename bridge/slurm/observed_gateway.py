"""A gateway in front of another, for what has to happen around each call."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager

from bridge.core.deadline import Deadline
from bridge.slurm.gateway import Gateway, WorkerCount
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


class ObservedGateway(ABC):
    """Passes every call on; each but `workers` in the context that `around` gives for its name."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    @abstractmethod
    def around(self, call: str) -> AbstractContextManager[None]:
        """A context for a call of the method `call` of `Gateway`."""

    def submit(self, descriptor: JobDescriptor, deadline: Deadline) -> str:
        """See `Gateway`."""
        with self.around("submit"):
            return self._gateway.submit(descriptor, deadline)

    def find(self, job_id: str, deadline: Deadline) -> JobSnapshot | None:
        """See `Gateway`."""
        with self.around("find"):
            return self._gateway.find(job_id, deadline)

    def queue(self, deadline: Deadline, followed: Sequence[FollowedJob] = ()) -> QueueChange:
        """See `Gateway`."""
        with self.around("queue"):
            return self._gateway.queue(deadline, followed)

    def cancel(self, request: Cancel, deadline: Deadline) -> bool:
        """See `Gateway`."""
        with self.around("cancel"):
            return self._gateway.cancel(request, deadline)

    def release(self, job_id: str, deadline: Deadline) -> None:
        """See `Gateway`."""
        with self.around("release"):
            self._gateway.release(job_id, deadline)

    def requeue(self, jobs: Sequence[Requeue], deadline: Deadline) -> Sequence[RequeueOutcome]:
        """See `Gateway`."""
        with self.around("requeue"):
            return self._gateway.requeue(jobs, deadline)

    def controller(self, deadline: Deadline) -> ControllerFacts:
        """See `Gateway`."""
        with self.around("controller"):
            return self._gateway.controller(deadline)

    def ping(self, deadline: Deadline) -> tuple[ControllerPing, ...]:
        """See `Gateway`."""
        with self.around("ping"):
            return self._gateway.ping(deadline)

    def find_past(self, job_id: str, deadline: Deadline) -> JobSnapshot | None:
        """See `Gateway`."""
        with self.around("find_past"):
            return self._gateway.find_past(job_id, deadline)

    def past(self, since: int, until: int, deadline: Deadline) -> tuple[JobSnapshot, ...]:
        """See `Gateway`."""
        with self.around("past"):
            return self._gateway.past(since, until, deadline)

    def ping_accounting(self, deadline: Deadline) -> bool:
        """See `Gateway`."""
        with self.around("ping_accounting"):
            return self._gateway.ping_accounting(deadline)

    def verify_token(self, token: str, deadline: Deadline) -> bool:
        """See `Gateway`."""
        with self.around("verify_token"):
            return self._gateway.verify_token(token, deadline)

    def workers(self) -> WorkerCount:
        """See `Gateway`."""
        return self._gateway.workers()
