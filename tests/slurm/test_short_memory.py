"""A controller that forgets a job as soon as it has ended (`MinJobAge`): forgotten is not lost."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.bridge_process import Bridge, running_bridge, service_environment
from tests.support.private_slurm import PrivateSlurm
from tests.support.samples import QAQC_BODY
from tests.support.waiting import wait_until

STOPPED_SECONDS = 3.0  # after such a silence the bridge takes what it has submitted for unsaved again
RECOVERY_SECONDS = 5.0  # in which it looks twice for lost jobs


@pytest.fixture(scope="module")
def slurm(shared_folder: Path) -> Iterator[PrivateSlurm]:
    (shared_folder / "slurm").mkdir()
    with PrivateSlurm(shared_folder / "slurm", overrides={"MinJobAge": "2"}) as slurm:
        yield slurm


@pytest.fixture(scope="module")
def bridge(slurm: PrivateSlurm, shared_folder: Path) -> Iterator[Bridge]:
    program = shared_folder / "extractor.py"
    program.write_text("import os\nprint(os.environ['SLURM_JOB_ID'], file=open('runs', 'a'))\n")
    environment = service_environment(slurm, shared_folder, ["/usr/bin/python3", str(program)])
    with running_bridge(shared_folder, environment) as bridge:
        yield bridge


def known_ids(slurm: PrivateSlurm) -> list[str]:
    return slurm.run("squeue", "--noheader", "--states=all", "--format=%i").split()


@pytest.mark.parametrize("key", ["restarted", None], ids=["with-key", "without"])
def test_a_job_that_has_ended_is_not_run_again_after_a_restart(
    bridge: Bridge, slurm: PrivateSlurm, shared_folder: Path, key: str | None
) -> None:
    job_id = bridge.post("/qaqc/run", QAQC_BODY, key=key).body["job_id"]
    assert bridge.wait_until_finished(job_id)["state"] == "COMPLETED"
    restarts = bridge.log.count("the controller was restarted")
    slurm.restart_controller()
    wait_until(lambda: bridge.log.count("the controller was restarted") > restarts, "the bridge notices the restart")
    slurm.pause_controller()
    try:
        time.sleep(STOPPED_SECONDS)
    finally:
        slurm.resume_controller()
    wait_until(lambda: job_id not in known_ids(slurm), "the controller forgets the job", 90)
    forgotten_at = time.monotonic()
    wait_until(lambda: time.monotonic() > forgotten_at + RECOVERY_SECONDS, "the bridge has looked for lost jobs")
    later = bridge.post("/qaqc/run", QAQC_BODY, key="afterwards").body["job_id"]
    bridge.wait_until_finished(later)
    if key is not None:
        again = bridge.post("/qaqc/run", QAQC_BODY, key=key)
        assert (again.status, again.body["job_id"]) == (200, job_id)
    assert "submitted a lost job again" not in bridge.log
    assert bridge.get(f"/jobs/{job_id}").body["state"] == "COMPLETED"
    runs = (shared_folder / "output" / "runs").read_text().split()
    assert len(runs) == len(set(runs)) == len({job["job_id"] for job in bridge.get("/jobs").body["jobs"]})
