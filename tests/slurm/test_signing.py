"""How workers sign, on real Slurms: with tokens that are renewed, and without where there are none."""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bridge.core.deadline import Deadline
from bridge.slurm.client.pool import WorkerPool
from bridge.slurm.client.start_gate import StartGate
from bridge.slurm.message_socket import MessageSocket
from bridge.slurm.messages import AskController, ControllerFacts, Submitted
from bridge.slurm.worker import signing
from bridge.slurm.worker.main import worker_main
from tests.support.private_slurm import PrivateSlurm
from tests.support.real_gateway import running_gateway
from tests.support.samples import descriptor
from tests.support.waiting import wait_until

LIFE_SECONDS = 3
CALL_SECONDS = 20.0


def renewing_worker(line: MessageSocket, conf_path: str | None) -> None:
    """The gateway's worker, with tokens that live for seconds."""
    signing.TOKEN_LIFE_SECONDS = LIFE_SECONDS
    signing.RENEWAL_SECONDS = signing.RETRY_SECONDS = LIFE_SECONDS / 3
    worker_main(line, conf_path)


def forgetful_worker(line: MessageSocket, conf_path: str | None) -> None:
    """The same, which goes on with its first token."""
    signing.TOKEN_LIFE_SECONDS = LIFE_SECONDS
    worker_main(line, conf_path)


@pytest.fixture(autouse=True)
def environment(slurm: PrivateSlurm, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in slurm.environment.items():
        monkeypatch.setenv(name, value)


@contextmanager
def running_pool(slurm: PrivateSlurm, main: Callable[[MessageSocket, str | None], None]) -> Iterator[WorkerPool]:
    pool = WorkerPool(main, (str(slurm.conf_path),), StartGate(), size=1)
    pool.start()
    try:
        yield pool
    finally:
        pool.close()


def is_answered(pool: WorkerPool) -> bool:
    return isinstance(pool.call(AskController(), Deadline.after(CALL_SECONDS)), ControllerFacts)


def test_a_token_that_has_expired_unexpectedly_is_replaced(slurm: PrivateSlurm) -> None:
    with running_pool(slurm, forgetful_worker) as pool:
        assert is_answered(pool)
        time.sleep(LIFE_SECONDS + 1)
        assert is_answered(pool)


def test_a_token_of_a_key_that_was_replaced_is_replaced(slurm: PrivateSlurm) -> None:
    with running_pool(slurm, worker_main) as pool:
        assert is_answered(pool)
        slurm.kill_controller()
        (slurm.folder / "jwt.key").write_bytes(secrets.token_bytes(1024))
        slurm.start_controller()
        reply = pool.call(descriptor(Path("/tmp")), Deadline.after(CALL_SECONDS))
        assert isinstance(reply, Submitted)


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


def test_a_cluster_without_tokens_gets_jobs_and_is_not_asked_for_one(
    shared_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = shared_folder / "without-tokens"
    folder.mkdir()
    with PrivateSlurm(folder, overrides={"AuthAltTypes": ""}) as slurm, running_gateway(slurm, workers=1) as gateway:
        job_id = gateway.submit(descriptor(tmp_path), Deadline.after(CALL_SECONDS))
        assert gateway.find(job_id, Deadline.after(CALL_SECONDS)) is not None
    assert [vars(record).get("words") for record in caplog.records] == []
