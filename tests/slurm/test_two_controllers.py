"""A cluster with a backup controller: one that hangs costs nothing, and one that takes over is used."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.bridge_process import Bridge, running_bridge, service_environment
from tests.support.samples import QAQC_BODY
from tests.support.two_controllers import TwoControllers
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def slurm(shared_folder: Path) -> Iterator[TwoControllers]:
    folder = shared_folder / "slurm"
    folder.mkdir()
    with TwoControllers(folder) as slurm:
        yield slurm


@pytest.fixture(scope="module")
def bridge(slurm: TwoControllers, shared_folder: Path) -> Iterator[Bridge]:
    folder = shared_folder / "bridge"
    folder.mkdir()
    with running_bridge(
        folder, service_environment(slurm, folder, ["/bin/true", "main.py"], BRIDGE_WORKERS="2")
    ) as bridge:
        yield bridge


def failover_detail(bridge: Bridge) -> str:
    return str(bridge.get("/ready").body["checks"]["failover"]["detail"])


def test_two_controllers_answer(bridge: Bridge) -> None:
    wait_until(lambda: bridge.get("/ready").body["status"] == "ready", "the bridge is ready")
    assert failover_detail(bridge) == "2 controllers answer"


def test_a_backup_that_hangs_only_degrades(bridge: Bridge, slurm: TwoControllers) -> None:
    slurm.pause_backup()
    try:
        wait_until(lambda: bridge.get("/ready").body["status"] == "degraded", "the backup is missed", 30)
        for _ in range(3):
            ready = bridge.get("/ready")
            assert (ready.status, ready.body["status"]) == (200, "degraded")
            assert bridge.post("/qaqc/run", QAQC_BODY).status == 202
    finally:
        slurm.resume_backup()
    wait_until(lambda: bridge.get("/ready").body["status"] == "ready", "the backup is back", 30)
    assert "worker replaced" not in bridge.log


# Last: the primary does not come back.
def test_a_backup_that_takes_over_is_used(bridge: Bridge, slurm: TwoControllers) -> None:
    key = "before-the-takeover"
    first = bridge.post("/qaqc/run", QAQC_BODY, key=key)
    assert first.status == 202
    accepted_at = time.time()
    saved_jobs = slurm.folder / "state" / "job_state"
    wait_until(lambda: saved_jobs.exists() and saved_jobs.stat().st_mtime > accepted_at, "the job is saved")
    slurm.kill_controller()
    wait_until(lambda: bridge.post("/qaqc/run", QAQC_BODY).status == 202, "the backup takes jobs", 60)
    replay = bridge.post("/qaqc/run", QAQC_BODY, key=key)
    assert (replay.status, replay.headers["Idempotency-Replayed"]) == (200, "true")
    assert replay.body["job_id"] == first.body["job_id"]
    assert slurm.run("squeue", "--noheader", "--states=all", "--format=%k").count(first.body["request_id"]) == 1
    ready = bridge.get("/ready")
    assert (ready.status, ready.body["status"]) == (200, "degraded")
    wait_until(lambda: failover_detail(bridge) == "no answer from ctl1", "the primary is named", 30)
