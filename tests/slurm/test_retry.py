"""Running jobs again on a real Slurm."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.bridge_process import Bridge, running_bridge, service_environment
from tests.support.private_slurm import PrivateSlurm
from tests.support.samples import PARSE_BODY

PROGRAM = """
import os, sys
print("run", os.environ.get("SLURM_RESTART_COUNT", "0"), [word for word in sys.argv if word.startswith("--source")])
sys.exit(0 if os.path.exists(sys.argv[0] + ".mended") else 75)
"""


@pytest.fixture
def program(shared_folder: Path) -> Iterator[Path]:
    """The extractor; every job fails until it is mended."""
    path = shared_folder / "main.py"
    path.write_text(PROGRAM)
    yield path
    mended(path).unlink(missing_ok=True)


def mended(program: Path) -> Path:
    return program.with_name(program.name + ".mended")


@pytest.fixture
def bridge(slurm: PrivateSlurm, shared_folder: Path, program: Path, tmp_path: Path) -> Iterator[Bridge]:
    folder = shared_folder / tmp_path.name
    folder.mkdir()
    with running_bridge(folder, service_environment(slurm, folder, ["/usr/bin/python3", str(program)])) as bridge:
        yield bridge


def let_begin(slurm: PrivateSlurm, job_id: str) -> None:
    """Without the two minutes that Slurm lets pass."""
    slurm.run("scontrol", "update", f"JobId={job_id}", "StartTime=now")


def test_a_job_runs_again_with_what_it_had(bridge: Bridge, slurm: PrivateSlurm, program: Path) -> None:
    job_id = bridge.post("/extractor/run", PARSE_BODY).body["job_id"]
    assert bridge.wait_until_finished(job_id)["exit_code"] == 75
    mended(program).touch()
    answer = bridge.post(f"/jobs/{job_id}/retry", b"")
    assert (answer.status, answer.body["job_id"], answer.body["state"]) == (202, job_id, "PENDING")
    assert answer.body["restarts"] == 1
    assert answer.body["explanation"].startswith("was put back into the queue")
    assert bridge.post(f"/jobs/{job_id}/retry", b"").status == 409
    let_begin(slurm, job_id)
    ended = bridge.wait_until_finished(job_id)
    assert (ended["state"], ended["restarts"], ended["thing_uuid"]) == ("COMPLETED", 1, PARSE_BODY["thing_uuid"])
    printed = bridge.get_bytes(ended["stdout_href"]).body.decode()
    assert printed.startswith("run 1 ['--source=https://storage.example/bucket/file.csv?")


def test_one_element_runs_again_and_no_other(bridge: Bridge, slurm: PrivateSlurm, program: Path) -> None:
    jobs = bridge.post("/extractor/batch", {"items": [PARSE_BODY] * 3}).body["jobs"]
    for job in jobs:
        bridge.wait_until_finished(job["job_id"])
    mended(program).touch()
    for job in (jobs[0], jobs[1]):  # Slurm has other numbers for the first and the last
        assert bridge.post(f"{job['href']}/retry", b"").status == 202
        assert bridge.post(f"{job['href']}/retry", b"").status == 409
        let_begin(slurm, job["job_id"])
        assert bridge.wait_until_finished(job["job_id"])["state"] == "COMPLETED"
    last = bridge.get(jobs[2]["href"]).body
    assert (last["state"], last["restarts"]) == ("FAILED", 0)


def test_many_that_ask_at_once_run_it_once(bridge: Bridge) -> None:
    job_id = bridge.post("/extractor/run", PARSE_BODY).body["job_id"]
    bridge.wait_until_finished(job_id)
    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(lambda _: bridge.post(f"/jobs/{job_id}/retry", b""), range(8)))
    statuses = sorted(answer.status for answer in answers)
    assert statuses == [202] + [409] * 7
    assert bridge.get(f"/jobs/{job_id}").body["restarts"] == 1


def test_a_job_that_was_cancelled_runs_again_and_one_that_runs_does_not(
    bridge: Bridge, slurm: PrivateSlurm, program: Path
) -> None:
    program.write_text("import time; time.sleep(600)")
    job_id = bridge.post("/extractor/run", PARSE_BODY).body["job_id"]
    bridge.wait_for(job_id, lambda job: job["state"] == "RUNNING")
    assert bridge.post(f"/jobs/{job_id}/retry", b"").status == 409
    assert bridge.get(f"/jobs/{job_id}").body["state"] == "RUNNING"
    bridge.delete(f"/jobs/{job_id}")
    bridge.wait_until_finished(job_id)
    program.write_text(PROGRAM)
    mended(program).touch()
    assert bridge.post(f"/jobs/{job_id}/retry", b"").status == 202
    let_begin(slurm, job_id)
    assert bridge.wait_until_finished(job_id)["state"] == "COMPLETED"


def test_a_restarted_bridge_runs_jobs_again(
    slurm: PrivateSlurm, shared_folder: Path, program: Path, bridge: Bridge
) -> None:
    job_id = bridge.post("/extractor/run", PARSE_BODY).body["job_id"]
    bridge.wait_until_finished(job_id)
    folder = shared_folder / "later"
    folder.mkdir()
    with running_bridge(folder, service_environment(slurm, folder, ["/usr/bin/python3", str(program)])) as later:
        assert later.post(f"/jobs/{job_id}/retry", b"").status == 202
        assert bridge.wait_for(job_id, lambda job: job["restarts"] == 1)["state"] == "PENDING"


def test_a_cluster_that_requeues_no_jobs_says_so(slurm: PrivateSlurm, bridge: Bridge) -> None:
    slurm.run("scontrol", "update", "PartitionName=normal", "State=DOWN")
    job_id = bridge.post("/extractor/run", PARSE_BODY).body["job_id"]
    slurm.run("scontrol", "update", f"JobId={job_id}", "Requeue=0")
    slurm.run("scontrol", "update", "PartitionName=normal", "State=UP")
    bridge.wait_until_finished(job_id)
    answer = bridge.post(f"/jobs/{job_id}/retry", b"")
    assert (answer.status, answer.body["type"]) == (502, "urn:tsm-slurm-bridge:slurm-refused")
    assert "JobRequeue" in answer.body["detail"]
