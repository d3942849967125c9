"""Workers that cannot start are tried one at a time, ever later."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from bridge.slurm.client.start_gate import StartGate

REASON = "slurm.conf cannot be read"


class Machine:
    """Starts of workers, which fail as long as it is broken."""

    def __init__(self, *, breaks: int) -> None:
        self.failures_left = breaks
        self.pauses: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        time.sleep(0.01)  # for the other threads

    def start(self) -> int | str:
        self.failures_left -= 1
        return REASON if self.failures_left >= 0 else 1

    def keep_one(self, gate: StartGate) -> None:
        """What a pool does for each of its workers."""
        while gate.pass_through(self.start) == REASON:
            pass


def test_pauses_grow_and_end_with_the_first_start() -> None:
    machine = Machine(breaks=7)
    gate = StartGate(1.0, 15.0, machine.sleep)
    machine.keep_one(gate)
    assert machine.pauses == [1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0]
    machine.failures_left = 1
    machine.keep_one(gate)
    assert machine.pauses[7:] == [1.0]


def test_ten_workers_that_cannot_start_are_tried_as_seldom_as_one() -> None:
    machine = Machine(breaks=1)
    gate = StartGate(1.0, 15.0, machine.sleep)
    gate.pass_through(machine.start)
    machine.failures_left = 6
    with ThreadPoolExecutor(10) as threads:
        for _ in range(10):
            threads.submit(machine.keep_one, gate)
    assert [pause for pause in machine.pauses if pause] == [1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0]


def test_while_starts_succeed_they_go_side_by_side() -> None:
    gate = StartGate()
    together = threading.Barrier(3, timeout=20)
    start: Callable[[], int | str] = together.wait
    with ThreadPoolExecutor(3) as threads:
        places = [thread.result() for thread in [threads.submit(gate.pass_through, start) for _ in range(3)]]
    assert sorted(map(str, places)) == ["0", "1", "2"]
