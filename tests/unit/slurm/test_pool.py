"""The pool of workers, with workers that need no Slurm."""

import errno
import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.context import SpawnContext
from pathlib import Path
from typing import Any, TypeVar

import pytest

from bridge.core.deadline import Deadline
from bridge.core.errors import BridgeError, ControllerUnreachableError, OverloadedError
from bridge.slurm.client.pool import WorkerPool
from bridge.slurm.client.start_gate import StartGate
from bridge.slurm.errors import WorkerLostError, WorkerUnavailableError
from bridge.slurm.message_socket import MessageSocket
from bridge.slurm.messages import Failure, Find, FindPast, Found, Ping, Pinged, Ready, Submitted
from tests.support.waiting import wait_until

HANG, DIE, WHO = 1, 2, 3

T = TypeVar("T")


def obedient_worker(line: MessageSocket, _conf: str | None) -> None:
    """Hangs, dies or tells its process id, as it is asked."""
    line.send(Ready())
    while True:
        try:
            request = line.receive_request(60)
        except EOFError:
            return
        match request:
            case Find(job_id=1):
                time.sleep(60)
            case Find(job_id=2):
                os.kill(os.getpid(), signal.SIGKILL)
            case Find(job_id=3):
                line.send(Submitted(str(os.getpid())))
            case Ping():
                line.send(Pinged(()))
            case _:
                line.send(Found(None))


def refusing_worker(line: MessageSocket, _conf: str | None) -> None:
    """Cannot serve and says why."""
    line.send(Failure(0, "slurm_conf_path: cannot read /nowhere"))


def exiting_worker(_line: MessageSocket, _conf: str | None) -> None:
    """Ends without a word, as libslurm does."""
    os._exit(1)


@pytest.fixture
def pool() -> Iterator[WorkerPool]:
    pool = WorkerPool(obedient_worker, (None,), StartGate(), size=2)
    pool.start()
    yield pool
    pool.close()


def soon() -> Deadline:
    return Deadline.after(20)


def wait_until_alive(pool: WorkerPool, count: int) -> None:
    wait_until(lambda: pool.alive == count, f"{count} workers are alive")


def test_requests_are_answered(pool: WorkerPool) -> None:
    assert pool.call(Ping(), soon()) == Pinged(())


def test_a_worker_that_hangs_is_given_up_at_the_deadline_and_replaced(pool: WorkerPool) -> None:
    started_at = time.monotonic()
    with pytest.raises(WorkerLostError, match="did not answer in time"):
        pool.call(Find(HANG), Deadline.after(0.3))
    assert time.monotonic() - started_at < 2
    wait_until_alive(pool, 2)
    assert pool.call(Ping(), soon()) == Pinged(())


def test_a_worker_that_dies_costs_only_its_own_request(pool: WorkerPool) -> None:
    with pytest.raises(WorkerLostError, match="died"):
        pool.call(Find(DIE), soon())
    assert pool.call(Ping(), soon()) == Pinged(())
    wait_until_alive(pool, 2)


def test_workers_that_died_while_idle_are_noticed_and_nobody_is_told(pool: WorkerPool) -> None:
    first = pool.call(Find(WHO), soon())
    assert isinstance(first, Submitted)
    os.kill(int(first.job_id), signal.SIGKILL)
    deadline = soon()
    while pool.alive == 2:
        assert deadline.remaining_seconds
    second = pool.call(Find(WHO), soon())
    assert isinstance(second, Submitted)
    assert second.job_id != first.job_id
    wait_until_alive(pool, 2)


def test_a_request_whose_time_is_up_is_not_sent(pool: WorkerPool) -> None:
    before = pool.call(Find(WHO), soon())
    with pytest.raises(OverloadedError):
        pool.call(Find(DIE), Deadline.after(0))
    assert pool.call(Find(WHO), soon()) == before


def test_while_all_workers_are_busy_a_caller_waits_until_its_deadline(pool: WorkerPool) -> None:
    with ThreadPoolExecutor(2) as clients:
        busy = [clients.submit(pool.call, Find(HANG), Deadline.after(1.0)) for _ in range(2)]
        time.sleep(0.3)
        with pytest.raises(OverloadedError):
            pool.call(Ping(), Deadline.after(0.2))
        assert pool.call(Ping(), soon()) == Pinged(())
        assert [type(call.exception()) for call in busy] == [WorkerLostError, WorkerLostError]


class OneStart(StartGate):
    """Lets one worker start, and the next one when that is `allowed`."""

    def __init__(self) -> None:
        super().__init__()
        self.allowed = threading.Event()
        self.allowed.set()

    def pass_through(self, start: Callable[[], T | str]) -> T | str:
        self.allowed.wait()
        self.allowed.clear()
        return start()


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        pytest.param(HANG, ControllerUnreachableError, id="silent"),
        pytest.param(DIE, OverloadedError, id="died"),
    ],
)
def test_a_caller_learns_why_no_worker_is_there(fault: int, error: type[BridgeError]) -> None:
    gate = OneStart()
    pool = WorkerPool(obedient_worker, (None,), gate, size=1)
    pool.start()
    with pytest.raises(WorkerLostError):
        pool.call(Find(fault), Deadline.after(0.5))
    with pytest.raises(error):
        pool.call(Ping(), Deadline.after(0.1))
    gate.allowed.set()
    assert pool.call(Ping(), soon()) == Pinged(())
    pool.close()


def test_a_request_that_cannot_be_sent_costs_no_worker_for_good(pool: WorkerPool) -> None:
    for _ in range(2):
        with pytest.raises(UnicodeEncodeError):
            pool.call(FindPast("\ud800"), soon())
    assert pool.call(Ping(), soon()) == Pinged(())
    wait_until_alive(pool, 2)


def test_workers_come_back_after_a_shortage(pool: WorkerPool) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(list(Path("/proc/self/fd").iterdir())) - 1, hard))
    try:
        with pytest.raises(WorkerLostError):
            pool.call(Find(DIE), soon())
        time.sleep(0.5)
        assert pool.alive == 1
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    wait_until_alive(pool, 2)


def test_workers_come_back_where_there_was_no_pipe_for_their_output(
    pool: WorkerPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe, is_missing = SpawnContext.Pipe, threading.Event()

    def no_pipe_at_first(context: SpawnContext, duplex: bool = True) -> Any:
        if not is_missing.is_set():
            is_missing.set()
            raise OSError(errno.EMFILE, "Too many open files")
        return pipe(context, duplex)

    monkeypatch.setattr(SpawnContext, "Pipe", no_pipe_at_first)
    with pytest.raises(WorkerLostError):
        pool.call(Find(DIE), soon())
    assert is_missing.wait(5)
    wait_until_alive(pool, 2)


@pytest.mark.parametrize(
    ("main", "reason"),
    [
        pytest.param(refusing_worker, "cannot read /nowhere", id="says-why"),
        pytest.param(
            exiting_worker, "libslurm ended the worker process .exit status 1: without a word.", id="just-exits"
        ),
    ],
)
def test_workers_that_cannot_start_say_why(main: Callable[..., None], reason: str) -> None:
    pool = WorkerPool(main, (None,), StartGate(), size=2)
    with pytest.raises(WorkerUnavailableError, match=reason):
        pool.start()


def test_a_worker_that_dies_unused_is_replaced(pool: WorkerPool) -> None:
    first = pool.call(Find(WHO), soon())
    with ThreadPoolExecutor(2) as callers:  # the one on top is busy, so the other one tells its name
        callers.submit(pool.call, Find(HANG), Deadline.after(1.0))
        time.sleep(0.2)
        other = callers.submit(pool.call, Find(WHO), soon()).result()
        assert isinstance(first, Submitted)
        assert isinstance(other, Submitted)
        assert first.job_id != other.job_id
        os.kill(int(other.job_id), signal.SIGKILL)
    wait_until_alive(pool, 2)


def test_a_closed_pool_leaves_no_process() -> None:
    pool = WorkerPool(obedient_worker, (None,), StartGate(), size=1)
    pool.start()
    reply = pool.call(Find(WHO), soon())
    assert isinstance(reply, Submitted)
    pool.close()
    wait_until(lambda: not Path(f"/proc/{reply.job_id}").exists(), "the worker is gone")
    with pytest.raises(OverloadedError):
        pool.call(Ping(), soon())
