"""How jobs stand, as clients see it: fresh, cheap for the controller, and never "not found" for a job of their own."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from urllib.error import HTTPError
from uuid import UUID

import pytest

from bridge.jobs.requests.metadata import JobMetadata
from tests.support import load
from tests.support.bridge_process import Bridge, running_bridge, service_environment, start_bridge
from tests.support.private_slurm import DEFAULT_PARTITIONS, PrivateSlurm
from tests.support.samples import PARSE_BODY, QAQC_BODY, THING
from tests.support.waiting import wait_until

# A parse job runs for as many seconds as the parser's name says, whatever SIGTERM says; one of quality control waits.
EXTRACTOR = """
import signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ignores SIGTERM", flush=True)
(parser,) = [word for word in sys.argv if word.startswith("--parser=")]
time.sleep(int(parser.removeprefix("--parser=Seconds")))
"""
CLOSED = "PartitionName=closed Nodes=ALL State=DOWN"
SOON_SECONDS = 1.5


@pytest.fixture(scope="module")
def slurm(shared_folder: Path) -> Iterator[PrivateSlurm]:
    (shared_folder / "slurm").mkdir()
    with PrivateSlurm(
        shared_folder / "slurm", cpus=120, overrides={"KillWait": "2"}, partitions=(*DEFAULT_PARTITIONS, CLOSED)
    ) as slurm:
        yield slurm


@pytest.fixture(scope="module")
def environment(slurm: PrivateSlurm, shared_folder: Path) -> dict[str, str]:
    program = shared_folder / "extractor.py"
    program.write_text(EXTRACTOR)
    more = {"BRIDGE_QAQC__PARTITION": "closed", "BRIDGE_REQUESTS_PER_SECOND": "100000"}
    return service_environment(slurm, shared_folder, ["/usr/bin/python3", str(program)], **more)


@pytest.fixture(scope="module")
def bridge(shared_folder: Path, environment: dict[str, str]) -> Iterator[Bridge]:
    with running_bridge(shared_folder, environment) as bridge:
        yield bridge


def submit(bridge: Bridge, seconds: int = 3600) -> str:
    answer = bridge.post("/extractor/run", {**PARSE_BODY, "parser": f"Seconds{seconds}"})
    assert answer.status == 202, answer.body
    return str(answer.body["job_id"])


def printed(bridge: Bridge, job_id: str) -> bytes:
    try:
        return bytes(bridge.get_bytes(f"/jobs/{job_id}/stdout").body)
    except HTTPError as error:  # it has not begun
        error.close()
        return b""


def test_any_number_of_polls_costs_the_controller_the_same(bridge: Bridge, slurm: PrivateSlurm) -> None:
    ids = [bridge.post("/qaqc/run", QAQC_BODY).body["job_id"] for _ in range(500)]
    time.sleep(12)  # until nothing about them is watched any more
    slurm.run("sdiag", "--reset")
    polls = load.get(bridge.url, [f"/jobs/{job_id}" for job_id in ids], {}, clients=8, seconds=10)
    cost = slurm.rpc_count()
    slurm.run("scancel", "--user=sontsm")
    assert polls.requests > 5_000
    assert cost <= 15


def test_a_change_is_seen_soon(bridge: Bridge, slurm: PrivateSlurm) -> None:
    job_id = submit(bridge)
    bridge.wait_for(job_id, lambda job: job["state"] == "RUNNING")
    slurm.run("scancel", job_id)
    wait_until(lambda: "CANCELLED" in slurm.run("scontrol", "show", "job", job_id), "the controller knows it")
    wait_until(lambda: bridge.get(f"/jobs/{job_id}").body["state"] == "CANCELLED", "the bridge too", SOON_SECONDS)


def test_wait_returns_when_the_job_ends(bridge: Bridge) -> None:
    job_id = submit(bridge, seconds=3)
    bridge.wait_for(job_id, lambda job: job["state"] == "RUNNING")
    answer = bridge.get(f"/jobs/{job_id}?wait=60")
    returned_at = time.time()
    assert answer.body["state"] in ("COMPLETED", "COMPLETING")
    ended_at = datetime.fromisoformat(bridge.wait_until_finished(job_id)["end_time"]).timestamp()
    assert returned_at - ended_at < SOON_SECONDS + 1.0  # Slurm's times are whole seconds
    begun_at = time.monotonic()
    assert bridge.get(f"/jobs/{job_id}?wait=60").body["finished"]
    assert time.monotonic() - begun_at < 0.5


def test_the_time_for_which_a_job_was_suspended_is_no_time_that_it_ran(bridge: Bridge, slurm: PrivateSlurm) -> None:
    job_id = submit(bridge, seconds=2)
    bridge.wait_for(job_id, lambda job: job["state"] == "RUNNING")
    slurm.run("scontrol", "suspend", job_id)
    suspended = bridge.wait_for(job_id, lambda job: job["state"] == "SUSPENDED")
    assert (suspended["finished"], suspended["run_seconds"]) == (False, None)
    time.sleep(4)  # whole seconds are all that Slurm tells
    slurm.run("scontrol", "resume", job_id)
    ended = bridge.wait_until_finished(job_id)
    shown = dict(word.split("=", 1) for word in slurm.run("scontrol", "show", "job", job_id).split() if "=" in word)
    minutes, seconds = map(int, shown["RunTime"].split(":")[1:])
    assert ended["run_seconds"] == 60 * minutes + seconds
    whole = datetime.fromisoformat(ended["end_time"]) - datetime.fromisoformat(ended["start_time"])
    assert whole.total_seconds() >= ended["run_seconds"] + 3


def test_wait_is_over_when_its_time_is(bridge: Bridge) -> None:
    job_id = submit(bridge)
    bridge.wait_for(job_id, lambda job: job["state"] == "RUNNING")
    begun_at = time.monotonic()
    assert bridge.get(f"/jobs/{job_id}?wait=1.5").body["state"] == "RUNNING"
    assert 1.4 < time.monotonic() - begun_at < 3.0


def test_what_a_client_has_already_is_not_sent_again(bridge: Bridge) -> None:
    job_id = submit(bridge)
    bridge.wait_for(job_id, lambda job: job["state"] == "RUNNING")
    tag = bridge.get(f"/jobs/{job_id}").headers["ETag"]
    assert bridge.get(f"/jobs/{job_id}", If_None_Match=tag).status == 304
    bridge.delete(f"/jobs/{job_id}")
    changed = bridge.get(f"/jobs/{job_id}?wait=20", If_None_Match=tag)
    assert changed.status == 200
    assert changed.headers["ETag"] != tag


def test_a_job_is_cancelled_once_however_often_that_is_asked(bridge: Bridge, slurm: PrivateSlurm) -> None:
    job_id = submit(bridge)
    first = bridge.delete(f"/jobs/{job_id}")
    assert (first.status, first.body["job_id"]) == (202, job_id)
    job = bridge.wait_until_finished(job_id, 15)
    assert job["state"] == "CANCELLED"
    assert bridge.delete(f"/jobs/{job_id}").status == 202
    assert "JobState=CANCELLED" in slurm.run("scontrol", "show", "job", job_id)


def test_a_job_that_is_about_to_end_may_be_cancelled_again(bridge: Bridge) -> None:
    job_id = submit(bridge)
    wait_until(lambda: b"ignores SIGTERM" in printed(bridge, job_id), "it takes KillWait to end the job")
    assert bridge.delete(f"/jobs/{job_id}").status == 202
    bridge.wait_for(job_id, lambda job: job["state"] == "COMPLETING")
    assert bridge.delete(f"/jobs/{job_id}").status == 202
    assert bridge.wait_until_finished(job_id)["state"] == "CANCELLED"


def test_a_job_that_has_ended_cannot_be_cancelled(bridge: Bridge) -> None:
    job_id = submit(bridge, seconds=0)
    bridge.wait_until_finished(job_id)
    answer = bridge.delete(f"/jobs/{job_id}")
    assert (answer.status, answer.body["type"]) == (409, "urn:tsm-slurm-bridge:already-finished")


def test_jobs_of_others_are_neither_shown_nor_cancelled(bridge: Bridge, slurm: PrivateSlurm) -> None:
    theirs = slurm.run("sbatch", "--parsable", "--chdir=/tmp", "--output=/dev/null", "--wrap=sleep 600", user="sontsm")
    theirs = theirs.strip()
    assert bridge.get(f"/jobs/{theirs}").status == 404
    assert bridge.delete(f"/jobs/{theirs}").status == 404
    assert "CANCELLED" not in slurm.run("scontrol", "show", "job", theirs)
    slurm.run("scancel", theirs)


def test_the_list_is_filtered_and_paged_without_a_gap(bridge: Bridge) -> None:
    other_thing = "5d1ef4a3-2a3a-4b6a-9d0e-6a8e5c9b0a11"
    ids = [submit(bridge, seconds=0) for _ in range(7)]
    qaqc = str(bridge.post("/qaqc/run", {**QAQC_BODY, "thing_uuid": other_thing}).body["job_id"])
    assert [job["job_id"] for job in bridge.get("/jobs?limit=1").body["jobs"]] == [qaqc]
    for job_id in ids:
        bridge.wait_until_finished(job_id)
    assert listed(bridge, "kind=qaqc&limit=1") == [qaqc]
    assert listed(bridge, f"thing_uuid={other_thing}") == [qaqc]
    assert qaqc not in listed(bridge, f"thing_uuid={THING}&limit=1000")
    assert listed(bridge, "state=COMPLETED&state=FAILED&limit=7") == ids[::-1]
    assert listed(bridge, "since=2200-01-01T00:00:00Z") == []
    seen: list[str] = []
    address = "/jobs?limit=3"
    while len(seen) < 8:
        page = bridge.get(address).body
        seen += [job["job_id"] for job in page["jobs"]]
        address = f"/jobs?limit=3&cursor={page['next_cursor']}"
        submit(bridge, seconds=0)  # what comes meanwhile disturbs nothing
    assert seen[:8] == [qaqc, *ids[::-1]]
    bridge.delete(f"/jobs/{qaqc}")


def listed(bridge: Bridge, query: str) -> list[str]:
    answer = bridge.get(f"/jobs?{query}")
    assert answer.status == 200, answer.body
    return [job["job_id"] for job in answer.body["jobs"]]


def test_many_jobs_in_one_question(bridge: Bridge) -> None:
    ids = [submit(bridge, seconds=0) for _ in range(3)]
    answer = bridge.post("/jobs/query", {"ids": [*ids, "4000000", "no id", ids[0]]})
    assert answer.status == 200
    results = answer.body["results"]
    assert [(result["job_id"], result["status"]) for result in results] == [
        *((job_id, 200) for job_id in ids),
        ("4000000", 404),
        ("no id", 404),
        (ids[0], 200),
    ]
    assert results[0]["job"]["job_id"] == ids[0]
    assert results[3]["problem"]["type"] == "urn:tsm-slurm-bridge:not-found"


def test_elements_of_an_array(bridge: Bridge, slurm: PrivateSlurm) -> None:
    comment = JobMetadata("parse", UUID(THING), "request", "key", "digest").to_json()
    arguments = ["--array=0-99", "--chdir=/tmp", "--output=/dev/null", f"--comment={comment}", "--mem=10"]
    array_id = slurm.run("sbatch", "--parsable", *arguments, "--wrap=sleep 600", user="sontsm").strip()
    held = slurm.run("sbatch", "--parsable", "--hold", *arguments, "--wrap=true", user="sontsm").strip()
    bridge.wait_for(f"{array_id}_3", lambda job: job["state"] == "RUNNING")
    assert bridge.wait_for(f"{held}_99", lambda job: job["state_reason"] == "JobHeldUser")["state"] == "PENDING"
    assert bridge.get(f"/jobs/{held}_100").status == 404
    assert bridge.delete(f"/jobs/{array_id}_3").status == 202
    assert bridge.delete(f"/jobs/{held}_98").status == 202
    bridge.wait_until_finished(f"{array_id}_3")
    bridge.wait_until_finished(f"{held}_98")
    assert bridge.get(f"/jobs/{array_id}_4").body["state"] == "RUNNING"  # and no twin of the others
    assert bridge.get(f"/jobs/{held}_97").body["state"] == "PENDING"
    assert listed(bridge, "limit=2") == [f"{held}_99", f"{held}_98"]
    slurm.run("scancel", array_id, held)


def test_a_job_of_another_bridge_is_seen_at_once(
    bridge: Bridge, environment: dict[str, str], shared_folder: Path
) -> None:
    (shared_folder / "second").mkdir()
    with running_bridge(shared_folder / "second", environment) as second:
        for _ in range(5):
            job_id = submit(second, seconds=0)
            assert bridge.get(f"/jobs/{job_id}").status == 200


def test_an_outage_serves_the_last_word_and_says_so(bridge: Bridge, slurm: PrivateSlurm) -> None:
    job_id = submit(bridge)
    bridge.wait_for(job_id, lambda job: job["state"] == "RUNNING")
    slurm.pause_controller()
    try:
        time.sleep(4)
        begun_at = time.monotonic()
        first, second = bridge.get(f"/jobs/{job_id}"), bridge.get("/jobs?limit=5")
        assert time.monotonic() - begun_at < 0.5
        assert (first.status, first.body["state"], second.status) == (200, "RUNNING", 200)
        assert first.headers["Warning"].startswith("110 ")
        assert first.body["as_of"] < time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() - 2))
        assert not bridge.get("/ready").body["checks"]["board"]["ok"]
        unknown = bridge.get("/jobs/4000000")
        assert (unknown.status, unknown.body["retryable"]) == (503, True)
    finally:
        slurm.resume_controller()
    wait_until(lambda: "Warning" not in bridge.get(f"/jobs/{job_id}").headers, "all is well again")
    bridge.delete(f"/jobs/{job_id}")


def test_those_who_wait_get_what_is_known_when_the_service_ends(
    environment: dict[str, str], shared_folder: Path
) -> None:
    (shared_folder / "ending").mkdir()
    bridge = start_bridge(shared_folder / "ending", environment)
    with ThreadPoolExecutor(1) as clients:
        job_id = submit(bridge)
        bridge.wait_for(job_id, lambda job: job["state"] == "RUNNING")
        waiting = clients.submit(bridge.get, f"/jobs/{job_id}?wait=60")
        time.sleep(0.5)
        begun_at = time.monotonic()
        bridge.process.terminate()
        assert waiting.result().body["state"] == "RUNNING"
        assert bridge.process.wait(10) == 0
        assert time.monotonic() - begun_at < 3.0
