"""Jobs that the controller has forgotten, on a cluster that keeps accounts of them (slurmdbd)."""

import threading
from collections.abc import Callable
from typing import TypeVar

from bridge.core.deadline import Deadline
from bridge.core.errors import AccountingUnreachableError, ControllerUnreachableError, OverloadedError
from bridge.slurm.client.pool import WorkerPool
from bridge.slurm.client.replies import expect
from bridge.slurm.client.start_gate import StartGate
from bridge.slurm.errors import WorkerLostError, accounting_error
from bridge.slurm.message_format import Request
from bridge.slurm.messages import ControllerFacts, FindPast, Found, JobSnapshot, LoadPast, Past
from bridge.slurm.worker.main import accounting_main

R = TypeVar("R")


class AccountingClient:
    """Has a worker of its own, the historian, as soon as the controller has said that there is accounting.

    Safe to use from many threads.
    """

    def __init__(
        self, ask_controller: Callable[[Deadline], ControllerFacts], arguments: tuple[str | None, ...], gate: StartGate
    ) -> None:
        self._ask_controller = ask_controller
        self._historian = WorkerPool(accounting_main, arguments, gate, size=1)
        self._lock = threading.Lock()
        self._has_accounting: bool | None = None  # None: the controller has not said

    @property
    def pools(self) -> tuple[WorkerPool, ...]:
        """The historian, where it is needed."""
        return (self._historian,) if self._has_accounting else ()

    def has_accounting(self, deadline: Deadline) -> bool:
        """Whether this cluster has accounting; the controller is asked where it has not said so to anybody."""
        if self._has_accounting is None:
            self.learn(self._ask_controller(deadline))
        return bool(self._has_accounting)

    def learn(self, facts: ControllerFacts) -> None:
        """The controller has told somebody what it is. The first word counts, until the bridge is started again."""
        with self._lock:
            if self._has_accounting is None:
                self._has_accounting = facts.has_accounting
                if facts.has_accounting:
                    self._historian.begin()

    def find(self, job_id: str, deadline: Deadline) -> JobSnapshot | None:
        """See `Gateway.find_past`."""
        return self._ask(FindPast(job_id), Found, deadline).job if self.has_accounting(deadline) else None

    def jobs(self, since: int, until: int, deadline: Deadline) -> tuple[JobSnapshot, ...]:
        """See `Gateway.past`."""
        return self._ask(LoadPast(since, until), Past, deadline).jobs if self.has_accounting(deadline) else ()

    def close(self) -> None:
        """End the historian."""
        self._historian.close()

    def _ask(self, request: Request, wanted: type[R], deadline: Deadline) -> R:
        try:
            return expect(wanted, self._historian.call(request, deadline), accounting_error)
        except WorkerLostError as error:
            raise AccountingUnreachableError(f"No answer from Slurm's accounting: {error}. Ask again later.") from None
        except (OverloadedError, ControllerUnreachableError) as error:
            raise AccountingUnreachableError(f"Slurm's accounting could not be asked: {error}") from None
