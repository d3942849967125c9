"""The in-memory gateway keeps the gateways' contract."""

import pytest

from bridge.slurm.gateway import Gateway
from tests.contract.gateway import GatewayContract
from tests.support.memory_gateway import MemoryGateway


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
