"""The in-memory gateway keeps the gateways' contract."""

import pytest

from bridge.core.errors import AccountingUnreachableError, ControllerUnreachableError
from bridge.slurm.gateway import Gateway
from tests.contract.gateway import GatewayContract, cancellation, soon
from tests.support.memory_gateway import MemoryGateway
from tests.support.samples import OUTPUT_FOLDER, descriptor


class MemoryCluster:
    """See `tests.contract.gateway.Cluster`."""

    def __init__(self) -> None:
        self._memory = MemoryGateway()
        self.gateway: Gateway = self._memory

    def pause(self) -> None:
        self._memory.is_paused = True

    def resume(self) -> None:
        self._memory.is_paused = False

    def kill(self) -> None:
        self._memory.is_dead = True

    def let_start(self, job_id: str) -> None:
        self._memory.put(job_id, {"state": "RUNNING"})

    def token(self) -> str:
        self._memory.good_tokens.add("a.b.c")
        return "a.b.c"


class TestMemoryGateway(GatewayContract):
    @pytest.fixture
    def cluster(self) -> MemoryCluster:
        return MemoryCluster()


def test_jobs_that_a_crash_has_lost_are_gone() -> None:
    gateway = MemoryGateway()
    job_id = gateway.submit(descriptor(OUTPUT_FOLDER), soon())
    gateway.queue(soon())
    gateway.crash()
    change = gateway.queue(soon())
    assert (change.is_full, change.jobs, change.gone) == (False, (), (job_id,))


def test_accounting_remembers_what_the_controller_forgets() -> None:
    gateway = MemoryGateway(has_accounting=True)
    job_id = gateway.submit(descriptor(OUTPUT_FOLDER), soon())
    assert gateway.find_past(job_id, soon()) is None
    gateway.cancel(cancellation(gateway, job_id), soon())
    gateway.forget(job_id)
    assert gateway.find(job_id, soon()) is None
    job = gateway.find_past(job_id, soon())
    assert job is not None
    assert job.end_time is not None
    assert gateway.past(job.end_time, job.end_time, soon()) == (job,)
    assert gateway.past(job.end_time + 1, job.end_time + 9, soon()) == ()


def test_dead_accounting_cannot_be_asked() -> None:
    gateway = MemoryGateway(has_accounting=True)
    gateway.accounting_is_dead = True
    with pytest.raises(AccountingUnreachableError):
        gateway.find_past("1", soon())
    with pytest.raises(AccountingUnreachableError):
        gateway.past(0, 1, soon())


def test_a_dead_controller_cannot_be_asked() -> None:
    gateway = MemoryGateway()
    gateway.is_dead = True
    with pytest.raises(ControllerUnreachableError, match="could not be asked"):
        gateway.find("1", soon())
