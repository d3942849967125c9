"""The in-memory gateway keeps the gateways' contract."""

import pytest

from bridge.errors import ControllerUnreachableError
from bridge.slurm.gateway import Gateway
from tests.contract.gateway import GatewayContract, soon
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


def test_a_dead_controller_cannot_be_asked() -> None:
    gateway = MemoryGateway()
    gateway.is_dead = True
    with pytest.raises(ControllerUnreachableError, match="could not be asked"):
        gateway.find("1", soon())
