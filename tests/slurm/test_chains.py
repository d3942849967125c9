"""Parse and then quality control, on a real Slurm: both or neither, and the second only where the first succeeded."""

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest

from tests.support.bridge_process import Answer, Bridge, running_bridge, service_environment, start_bridge
from tests.support.private_slurm import PrivateSlurm
from tests.support.samples import PARSE_BODY
from tests.support.waiting import wait_until

PROGRAM = """
import os, sys
print(*sys.argv[1:])
sys.exit(3 if "--parser=fails" in sys.argv and not os.path.exists(sys.argv[0] + ".mended") else 0)
"""
BODY = {**PARSE_BODY, "qaqc": True}
FAILING = {**BODY, "parser": "fails"}
OTHER_THING = "00000000-0000-4000-8000-000000000001"
FILES = 60
KILLS = 3


@pytest.fixture(scope="module")
def slurm(shared_folder: Path) -> Iterator[PrivateSlurm]:
    """With room for many jobs at a time."""
    (shared_folder / "slurm").mkdir()
    with PrivateSlurm(shared_folder / "slurm", cpus=64) as slurm:
        yield slurm


@pytest.fixture(scope="module")
def environment(slurm: PrivateSlurm, shared_folder: Path) -> dict[str, str]:
    program = shared_folder / "main.py"
    program.write_text(PROGRAM)
    return service_environment(slurm, shared_folder, ["/usr/bin/python3", str(program)])


@pytest.fixture(scope="module")
def bridge(shared_folder: Path, environment: dict[str, str]) -> Iterator[Bridge]:
    with running_bridge(shared_folder, environment) as bridge:
        yield bridge


@pytest.fixture
def waiting_jobs(slurm: PrivateSlurm) -> Iterator[None]:
    """No job starts meanwhile."""
    slurm.run("scontrol", "update", "PartitionName=normal", "State=DOWN")
    yield
    slurm.run("scontrol", "update", "PartitionName=normal", "State=UP")


def jobs_with_comments(slurm: PrivateSlurm) -> list[tuple[str, dict[str, Any]]]:
    """All jobs that were not cancelled."""
    lines = [line.split("|", 2) for line in slurm.run("squeue", "-h", "--states=all", "--format=%i|%T|%k").splitlines()]
    return [(job_id, json.loads(text)) for job_id, state, text in lines if state != "CANCELLED"]


def test_the_second_runs_after_the_first(bridge: Bridge) -> None:
    answer = bridge.post("/extractor/run", BODY)
    assert answer.status == 202
    qaqc = bridge.wait_until_finished(answer.body["qaqc"]["job_id"])
    parse = bridge.get(answer.body["href"]).body
    assert (parse["state"], qaqc["state"], qaqc["kind"]) == ("COMPLETED", "COMPLETED", "qaqc")
    assert qaqc["start_time"] >= parse["end_time"]
    printed = bridge.get_bytes(qaqc["stdout_href"]).body.decode()
    assert printed.startswith("run-qaqc --target-uri=")
    assert "--source" not in printed


def test_the_second_ends_explained_where_the_first_fails(bridge: Bridge, waiting_jobs: None) -> None:
    answer = bridge.post("/extractor/run", FAILING)
    qaqc_id = answer.body["qaqc"]["job_id"]
    waiting = bridge.wait_for(qaqc_id, lambda job: job["state_reason"] == "Dependency")
    assert waiting["explanation"] == f"waits for parse job {answer.body['job_id']}"
    assert bridge.get(answer.body["href"]).body["state_reason"] != "BeginTime"


def test_a_failed_parse_ends_the_chain_and_a_retry_begins_it_again(
    bridge: Bridge, slurm: PrivateSlurm, shared_folder: Path
) -> None:
    answer = bridge.post("/extractor/run", FAILING)
    parse_id, qaqc_id = answer.body["job_id"], answer.body["qaqc"]["job_id"]
    mended = shared_folder / "main.py.mended"
    ended = bridge.wait_until_finished(qaqc_id)
    assert (ended["state"], ended["start_time"]) == ("CANCELLED", None)
    assert ended["explanation"] == f"was not run, since parse job {parse_id} did not succeed"
    assert bridge.get(f"/jobs/{parse_id}").body["exit_code"] == 3
    mended.touch()
    try:
        assert bridge.post(f"/jobs/{parse_id}/retry", b"").status == 202
        bridge.wait_for(qaqc_id, lambda job: job["state"] == "PENDING")
        for job_id in (qaqc_id, parse_id):  # without the two minutes that Slurm lets pass
            slurm.run("scontrol", "update", f"JobId={job_id}", "StartTime=now")
        waiting = bridge.wait_for(qaqc_id, lambda job: job["state_reason"] == "Dependency")
        assert waiting["explanation"] == f"waits for parse job {parse_id}"
        assert bridge.wait_until_finished(qaqc_id)["state"] == "COMPLETED"
        assert bridge.get(f"/jobs/{parse_id}").body["state"] == "COMPLETED"
    finally:
        mended.unlink()


def test_elements_follow_elements(bridge: Bridge, slurm: PrivateSlurm, shared_folder: Path) -> None:
    items = [BODY, FAILING, PARSE_BODY, BODY]
    jobs = bridge.post("/extractor/batch", {"items": items}).body["jobs"]
    assert "qaqc" not in jobs[2]
    ends = {number: bridge.wait_until_finished(jobs[number]["qaqc"]["job_id"]) for number in (0, 1, 3)}
    assert [job["state"] for job in ends.values()] == ["COMPLETED", "CANCELLED", "COMPLETED"]
    assert ends[1]["explanation"] == f"was not run, since parse job {jobs[1]['job_id']} did not succeed"
    assert bridge.get(jobs[3]["href"]).body["state"] == "COMPLETED"
    mended = shared_folder / "main.py.mended"
    mended.touch()
    try:
        again, follower = jobs[1]["job_id"], jobs[1]["qaqc"]["job_id"]
        assert bridge.post(f"/jobs/{again}/retry", b"").status == 202
        bridge.wait_for(follower, lambda job: job["state"] == "PENDING")
        for job_id in (follower, again):
            slurm.run("scontrol", "update", f"JobId={job_id}", "StartTime=now")
        assert bridge.wait_until_finished(follower)["state"] == "COMPLETED"
        assert bridge.get(f"/jobs/{again}").body["state"] == "COMPLETED"
    finally:
        mended.unlink()


def test_items_of_a_thing_share_one_quality_control(shared_folder: Path, environment: dict[str, str]) -> None:
    folder = shared_folder / "sharing"
    folder.mkdir()
    items = [
        {**body, "thing_uuid": thing} for thing in (PARSE_BODY["thing_uuid"], OTHER_THING) for body in (BODY, FAILING)
    ]
    with running_bridge(folder, {**environment, "BRIDGE_QAQC_COALESCE_SECONDS": "2"}) as bridge:
        jobs = bridge.post("/extractor/batch", {"items": items}).body["jobs"]
        shared = [job["qaqc"]["job_id"] for job in jobs]
        assert (shared[0], shared[2], len(set(shared))) == (shared[1], shared[3], 2)
        for number in (1, 3):
            qaqc = bridge.wait_until_finished(shared[number])
            assert (qaqc["state"], qaqc["thing_uuid"]) == ("COMPLETED", items[number]["thing_uuid"])
            assert qaqc["after_job_ids"] == [job["job_id"] for job in jobs[number - 1 : number + 1]]
            assert qaqc["start_time"] >= max(bridge.get(job["href"]).body["end_time"] for job in jobs)


def test_a_bridge_that_is_killed_leaves_both_jobs_or_neither(
    slurm: PrivateSlurm, shared_folder: Path, environment: dict[str, str], waiting_jobs: None
) -> None:
    folder = shared_folder / "killed"
    folder.mkdir()
    bodies = chains_of(OTHER_THING, FILES)
    answers: dict[str, Answer] = {}

    def post(bridge: Bridge, key: str) -> None:
        with suppress(URLError, ConnectionError):
            answer = bridge.post("/extractor/run", bodies[key], key=key)
            if answer.status in (200, 202):
                answers[key] = answer

    def has_as_many(wanted: int) -> bool:
        return len(answers) >= wanted

    for _ in range(KILLS):
        bridge = start_bridge(folder, environment)
        wanted = len(answers) + FILES // (KILLS + 1)
        with ThreadPoolExecutor(4) as clients:
            for key in bodies.keys() - answers.keys():
                clients.submit(post, bridge, key)
            wait_until(partial(has_as_many, wanted), "some are accepted")
            bridge.process.kill()
            clients.shutdown(cancel_futures=True)
        bridge.process.wait()
    with running_bridge(folder, environment) as bridge:
        for key in bodies:
            again = bridge.post("/extractor/run", bodies[key], key=key)
            assert again.status in (200, 202), again.body
            if key in answers:
                assert [again.body[name] for name in ("job_id", "qaqc")] == [
                    answers[key].body[name] for name in ("job_id", "qaqc")
                ]
        assert_followed_once(slurm, OTHER_THING, FILES)


def assert_followed_once(slurm: PrivateSlurm, thing: str, files: int) -> None:
    """Each of so many files has one job, which may begin, and is followed by one."""
    found = [(job_id, comment) for job_id, comment in jobs_with_comments(slurm) if comment["thing"] == thing]
    firsts = Counter(job_id for job_id, comment in found if comment.get("qaqc"))
    assert len({comment["key"] for _, comment in found if comment.get("qaqc")}) == len(firsts) == files
    assert Counter(comment["after"] for _, comment in found if comment.get("after")) == firsts
    starts = slurm.run("squeue", "--noheader", "--states=PENDING", "--format=%S").split()
    assert set(starts) <= {"N/A"}  # none is held


def is_followed_once(slurm: PrivateSlurm, thing: str, files: int) -> bool:
    try:
        assert_followed_once(slurm, thing, files)
    except AssertionError:
        return False
    return True


def chains_of(thing: str, count: int) -> dict[str, dict[str, Any]]:
    """Requests by their keys."""
    return {
        f"{thing}-{number}": {**BODY, "thing_uuid": thing, "source": f"https://storage.example/{number}"}
        for number in range(count)
    }


def test_two_bridges_that_get_one_request_at_the_same_time_leave_one_chain(
    slurm: PrivateSlurm, shared_folder: Path, environment: dict[str, str], waiting_jobs: None
) -> None:
    thing = "00000000-0000-4000-8000-000000000002"
    requests = chains_of(thing, 20)
    with ExitStack() as stack, ThreadPoolExecutor(4) as clients:
        bridges = []
        for name in ("left", "right"):
            (shared_folder / name).mkdir()
            bridges.append(stack.enter_context(running_bridge(shared_folder / name, environment)))
        for key, body in requests.items():
            posts = [clients.submit(one.post, "/extractor/run", body, key=key) for one in bridges]
            assert {post.result().status for post in posts} <= {200, 202}
        wait_until(lambda: is_followed_once(slurm, thing, len(requests)), "duplicates are cancelled")
        for key, body in requests.items():
            left, right = (one.post("/extractor/run", body, key=key).body for one in bridges)
            assert (left["job_id"], left["qaqc"]) == (right["job_id"], right["qaqc"])


def test_a_crashed_controller_costs_no_chain(slurm: PrivateSlurm, bridge: Bridge, waiting_jobs: None) -> None:
    thing = "00000000-0000-4000-8000-000000000003"
    requests = chains_of(thing, 40)
    answers = {key: bridge.post("/extractor/run", body, key=key) for key, body in requests.items()}
    assert {answer.status for answer in answers.values()} == {202}
    slurm.kill_controller()
    slurm.start_controller()
    wait_until(lambda: is_followed_once(slurm, thing, len(requests)), "all are there again", 40)
    for key, body in requests.items():
        again = bridge.post("/extractor/run", body, key=key)
        assert (again.status, bridge.get(again.body["qaqc"]["href"]).body["after_job_ids"]) == (
            200,
            [again.body["job_id"]],
        )
