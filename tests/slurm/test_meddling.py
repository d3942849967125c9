"""What admins and other programs do to jobs, theirs and the bridge's."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.bridge_process import Bridge, running_bridge, service_environment
from tests.support.comment_keys import CommentKeys
from tests.support.private_slurm import DEFAULT_PARTITIONS, PrivateSlurm
from tests.support.samples import PARSE_BODY, QAQC_BODY, THING


@pytest.fixture(scope="module")
def slurm(shared_folder: Path) -> Iterator[PrivateSlurm]:
    """With a partition in which jobs wait."""
    (shared_folder / "slurm").mkdir()
    partitions = (*DEFAULT_PARTITIONS, "PartitionName=waiting Nodes=ALL State=DOWN")
    with PrivateSlurm(shared_folder / "slurm", partitions=partitions) as slurm:
        yield slurm


@pytest.fixture(scope="module")
def keys(shared_folder: Path) -> CommentKeys:
    return CommentKeys(shared_folder)


@pytest.fixture(scope="module")
def environment(slurm: PrivateSlurm, shared_folder: Path, keys: CommentKeys) -> dict[str, str]:
    """Jobs of three seconds, or of a partition in which they wait."""
    program = shared_folder / "extractor.py"
    program.write_text('import time\nprint("extracted")\ntime.sleep(3)\n')
    more = {**keys.environment, "BRIDGE_PARSE__PARTITION": "waiting"}
    return service_environment(slurm, shared_folder, ["/usr/bin/python3", str(program)], **more)


@pytest.fixture(scope="module")
def bridge(shared_folder: Path, environment: dict[str, str]) -> Iterator[Bridge]:
    with running_bridge(shared_folder, environment) as bridge:
        yield bridge


def submit_by_hand(slurm: PrivateSlurm, comment: str, *arguments: str) -> str:
    """A job of the service's user that the bridge has not submitted; returns its id."""
    where = ["--chdir=/tmp", "--output=/dev/null", "--mem=10"]
    command = ["sbatch", "--parsable", f"--comment={comment}", *where, *arguments, "--wrap=sleep 60"]
    return slurm.run(*command, user="sontsm").strip()


@pytest.mark.parametrize(
    ("kind", "request_id"), [(r"\ud800", "r"), ("parse", r"\udfff")], ids=["odd-kind", "odd-request-id"]
)
def test_an_odd_comment_spoils_no_list(bridge: Bridge, slurm: PrivateSlurm, kind: str, request_id: str) -> None:
    comment = f'{{"kind":"{kind}","thing":"{THING}","req":"{request_id}","key":"k","dig":"d"}}'
    odd = submit_by_hand(slurm, comment)
    own = bridge.post("/qaqc/run", QAQC_BODY).body["job_id"]
    bridge.wait_for(own, lambda job: job["source"] == "controller" and job["state"] != "PENDING")
    listed = bridge.get("/jobs")
    assert listed.status == 200
    assert own in {job["job_id"] for job in listed.body["jobs"]}
    asked = bridge.post("/jobs/query", {"ids": [odd, own]})
    assert [result["status"] for result in asked.body["results"]] == [404, 200]
    slurm.run("scancel", odd)


def test_a_job_with_a_copied_comment_cancels_nothing(bridge: Bridge, slurm: PrivateSlurm, keys: CommentKeys) -> None:
    promised = bridge.post("/extractor/run", PARSE_BODY, key="copied").body["job_id"]
    comment = slurm.run("squeue", "--noheader", f"--jobs={promised}", "--format=%k").strip()
    copy = submit_by_hand(slurm, comment)
    bridge.wait_for(copy, lambda job: job["state"] == "RUNNING")
    duplicates = [submit_by_hand(slurm, keys.comment("marker"), "--partition=waiting") for _ in range(2)]
    again = bridge.post("/extractor/run", PARSE_BODY, key="copied")
    assert (again.status, again.body["job_id"]) == (200, promised)
    bridge.post("/extractor/run", PARSE_BODY, key="another")  # duplicates are looked for after each new key
    bridge.wait_for(duplicates[1], lambda job: job["state"] == "CANCELLED")
    for job_id, state in ((promised, "PENDING"), (copy, "RUNNING"), (duplicates[0], "PENDING")):
        assert bridge.get(f"/jobs/{job_id}").body["state"] == state
    slurm.run("scancel", "--user=sontsm")


def running(bridge: Bridge, key: str) -> str:
    """A job that the bridge has submitted, and that runs."""
    job_id: str = bridge.post("/qaqc/run", QAQC_BODY, key=key).body["job_id"]
    bridge.wait_for(job_id, lambda job: job["state"] == "RUNNING")
    return job_id


@pytest.mark.parametrize("fields", [["Comment=x"], ["Comment=x", "Extra=x"]], ids=["comment", "comment-and-extra"])
def test_a_job_whose_comment_is_changed_stays_the_bridges(
    bridge: Bridge, slurm: PrivateSlurm, shared_folder: Path, environment: dict[str, str], fields: list[str]
) -> None:
    key = f"changed-{len(fields)}"
    job_id = running(bridge, key)
    slurm.run("scontrol", "update", f"jobid={job_id}", *fields)
    bridge.post("/jobs/query", {"ids": ["4000000"]})  # which waits for another look
    job = bridge.get(f"/jobs/{job_id}").body
    assert (job["source"], job["finished"]) == ("controller", False)
    again = bridge.post("/qaqc/run", QAQC_BODY, key=key)
    assert (again.status, again.body["job_id"]) == (200, job_id)
    if "Extra=x" not in fields:  # by which a bridge knows the job that did not submit it
        (shared_folder / "restarted").mkdir()
        with running_bridge(shared_folder / "restarted", environment) as other:
            assert other.post("/qaqc/run", QAQC_BODY, key=key).body["job_id"] == job_id
            assert other.get(f"/jobs/{job_id}").body["source"] == "controller"
    assert bridge.wait_until_finished(job_id)["state"] == "COMPLETED"


def test_a_job_whose_comment_is_changed_can_be_cancelled(bridge: Bridge, slurm: PrivateSlurm) -> None:
    job_id = running(bridge, "cancelled")
    slurm.run("scontrol", "update", f"jobid={job_id}", "Comment=x", "Extra=x")
    assert bridge.delete(f"/jobs/{job_id}").status == 202
    assert bridge.wait_until_finished(job_id)["state"] == "CANCELLED"


def test_the_output_of_a_renamed_job_is_found(bridge: Bridge, slurm: PrivateSlurm) -> None:
    job_id = bridge.post("/extractor/run", PARSE_BODY).body["job_id"]
    slurm.run("scontrol", "update", f"jobid={job_id}", "Name=renamed")
    slurm.run("scontrol", "update", "PartitionName=waiting", "State=UP")
    assert bridge.wait_until_finished(job_id)["state"] == "COMPLETED"
    assert bridge.get_bytes(f"/jobs/{job_id}/stdout").body == b"extracted\n"
    slurm.run("scontrol", "update", "PartitionName=waiting", "State=DOWN")
