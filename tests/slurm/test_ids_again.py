"""Ids that come again (MaxJobId): each job has its own state, place in lists, and output."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.bridge_process import Bridge, running_bridge, service_environment
from tests.support.private_slurm import PrivateSlurm
from tests.support.samples import QAQC_BODY
from tests.support.waiting import wait_until

FIRST, END = 200, 206  # Slurm gives no job the last one


@pytest.fixture(scope="module")
def slurm(shared_folder: Path) -> Iterator[PrivateSlurm]:
    folder = shared_folder / "slurm"
    folder.mkdir()
    few = {"FirstJobId": str(FIRST), "MaxJobId": str(END), "MinJobAge": "2"}
    with PrivateSlurm(folder, overrides=few) as slurm:
        yield slurm


@pytest.fixture
def bridge(slurm: PrivateSlurm, shared_folder: Path) -> Iterator[Bridge]:
    program = shared_folder / "main.py"
    program.write_text("print('ran')\n")
    with running_bridge(
        shared_folder, service_environment(slurm, shared_folder, ["/usr/bin/python3", str(program)], BRIDGE_WORKERS="1")
    ) as bridge:
        yield bridge


def submit(bridge: Bridge) -> tuple[str, str]:
    """The id and the request's id of a new job."""
    answer = bridge.post("/qaqc/run", QAQC_BODY)
    assert answer.status == 202, answer.body
    return answer.body["job_id"], answer.body["request_id"]


def test_a_job_is_never_taken_for_the_one_that_had_its_id(bridge: Bridge, slurm: PrivateSlurm) -> None:
    submitted = []
    for _ in range(END - FIRST):
        submitted.append(submit(bridge))
        bridge.wait_until_finished(submitted[-1][0])
        assert b"ran" in bridge.get_bytes(f"/jobs/{submitted[-1][0]}/stdout").body
    assert bridge.get(f"/jobs/{submitted[0][0]}").body["request_id"] == submitted[0][1]
    slurm.run("scontrol", "update", "partition=normal", "state=down")
    wait_until(lambda: not slurm.run("squeue", "--noheader", "--states=all"), "the controller forgets them", 90)
    again = [submit(bridge)]
    while again[-1][0] != submitted[-3][0]:  # until the id of a job whose output is not old
        again.append(submit(bridge))
    newest = bridge.get(f"/jobs?limit={len(again)}").body["jobs"]
    assert {job["request_id"] for job in newest} == {request_id for _, request_id in again}
    job_id, request_id = again[-1]
    for state in ("PENDING", "CANCELLED"):
        job = bridge.wait_for(job_id, lambda job, state=state: job["state"] == state)
        assert job["request_id"] == request_id
        assert bridge.get(f"/jobs/{job_id}/stdout").status == 404
        bridge.delete(f"/jobs/{job_id}")
    listed = [job["job_id"] for job in bridge.get("/jobs").body["jobs"]]
    assert len(listed) == len(set(listed))
