"""How workers sign, on real Slurms: with tokens that are renewed, and without where there are none."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bridge.deadline import Deadline
from bridge.slurm import signing
from bridge.slurm.line import Line
from bridge.slurm.messages import AskController, ControllerFacts, Failure
from bridge.slurm.pool import WorkerPool
from bridge.slurm.token_worker import SLURM_PROTOCOL_AUTHENTICATION_ERROR
from bridge.slurm.worker import worker_main
from tests.support.private_slurm import PrivateSlurm
from tests.support.real_gateway import running_gateway
from tests.support.samples import descriptor
from tests.support.waiting import wait_until

LIFE_SECONDS = 3
CALL_SECONDS = 20.0


def renewing_worker(line: Line, conf_path: str | None) -> None:
    """The gateway's worker, with tokens that live for seconds."""
    signing.TOKEN_LIFE_SECONDS = LIFE_SECONDS
    signing.RENEWAL_SECONDS = signing.RETRY_SECONDS = LIFE_SECONDS / 3
    worker_main(line, conf_path)


def forgetful_worker(line: Line, conf_path: str | None) -> None:
    """The same, which goes on with its first token."""
    signing.TOKEN_LIFE_SECONDS = LIFE_SECONDS
    worker_main(line, conf_path)


@pytest.fixture(autouse=True)
def environment(slurm: PrivateSlurm, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in slurm.environment.items():
        monkeypatch.setenv(name, value)


@contextmanager
def running_pool(slurm: PrivateSlurm, main: Callable[[Line, str | None], None]) -> Iterator[WorkerPool]:
    pool = WorkerPool(main, (str(slurm.conf_path),), size=1)
    pool.start()
    try:
        yield pool
    finally:
        pool.close()


def is_answered(pool: WorkerPool) -> bool:
    return isinstance(pool.call(AskController(), Deadline.after(CALL_SECONDS)), ControllerFacts)


def test_a_worker_signs_with_a_token_that_expires(slurm: PrivateSlurm) -> None:
    with running_pool(slurm, forgetful_worker) as pool:
        assert is_answered(pool)
        time.sleep(LIFE_SECONDS + 1)
        reply = pool.call(AskController(), Deadline.after(CALL_SECONDS))
        assert isinstance(reply, Failure)
        assert reply.code == SLURM_PROTOCOL_AUTHENTICATION_ERROR


def test_tokens_are_renewed_before_they_expire(slurm: PrivateSlurm) -> None:
    with running_pool(slurm, renewing_worker) as pool:
        until = time.monotonic() + 3 * LIFE_SECONDS
        while time.monotonic() < until:
            assert is_answered(pool)
            time.sleep(0.2)


def test_a_token_that_expired_while_the_controller_was_away_is_replaced(slurm: PrivateSlurm) -> None:
    with running_pool(slurm, renewing_worker) as pool:
        assert is_answered(pool)
        slurm.kill_controller()
        time.sleep(LIFE_SECONDS + 1)
        slurm.start_controller()
        wait_until(lambda: is_answered(pool), "the worker signs with a token that has expired", CALL_SECONDS)


def test_a_cluster_without_tokens_gets_jobs_all_the_same(shared_folder: Path, tmp_path: Path) -> None:
    folder = shared_folder / "without-tokens"
    folder.mkdir()
    with PrivateSlurm(folder, overrides={"AuthAltTypes": ""}) as slurm, running_gateway(slurm, workers=1) as gateway:
        job_id = gateway.submit(descriptor(tmp_path), Deadline.after(CALL_SECONDS))
        assert gateway.find(job_id, Deadline.after(CALL_SECONDS)) is not None
