"""Whether there is a history is for the controller to say, who may be away at first."""

import pytest

from bridge.core.deadline import Deadline
from bridge.core.errors import ControllerUnreachableError
from bridge.slurm.client.accounting import AccountingClient
from bridge.slurm.client.start_gate import StartGate
from bridge.slurm.messages import ControllerFacts
from tests.contract.gateway import soon
from tests.support.memory_gateway import MemoryGateway


def test_the_controller_is_asked_until_it_has_answered_once() -> None:
    gateway = MemoryGateway()
    asked = []

    def ask(deadline: Deadline) -> ControllerFacts:
        asked.append(deadline)
        return gateway.controller(deadline)

    history = AccountingClient(ask, (), StartGate())
    gateway.is_dead = True
    for _ in range(2):
        with pytest.raises(ControllerUnreachableError):
            history.find("1", soon())
    gateway.is_dead = False
    assert history.find("1", soon()) is None
    assert history.jobs(0, 1, soon()) == ()
    assert len(asked) == 3
    assert history.pools == ()
