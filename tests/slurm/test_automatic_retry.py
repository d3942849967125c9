"""Jobs that run again by themselves on a real Slurm, under a plan of faults.

50 jobs, or as many as BRIDGE_TEST_FAULTS says. Meanwhile a node is lost, an admin cancels jobs, one of two bridges is
killed and comes back.
"""

import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.support.bridge_process import Bridge, owned_folder, running_bridge, service_environment, start_bridge
from tests.support.private_slurm import PrivateSlurm
from tests.support.samples import PARSE_BODY
from tests.support.waiting import wait_until

JOBS = int(os.environ.get("BRIDGE_TEST_FAULTS", "50"))
PATIENCE_SECONDS = 120.0 + JOBS / 2
SHARES = {"well": 4, "passing": 3, "wrong": 1, "hungry": 1, "long": 1}  # of ten jobs
EXPECTED_RESTARTS = {"well": 0, "passing": 2, "wrong": 0, "hungry": 1, "long": 0, "cancelled": 0}
LONG_SECONDS = 6
# A job does what the source's name says, and notes when a run begins and when it has stored its observations.
PROGRAM = f"""
import os, sys, time
folder = os.path.dirname(sys.argv[0]) + "/runs"
source = next((word for word in sys.argv if word.startswith("--source=")), "well-qaqc").rpartition("/")[2]

def note(what):
    notes = os.open(f"{{folder}}/notes", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.write(notes, f"{{what}} {{source}}\\n".encode())
    os.close(notes)

note("begun")
match source.partition("-")[0]:
    case "passing":
        if int(os.environ.get("SLURM_RESTART_COUNT", "0")) < 2:
            sys.exit(75)
    case "wrong":
        note("wrong")
        sys.exit(1)
    case "hungry":
        eaten = b"x" * 150_000_000
        time.sleep(4)
    case "broken":
        sys.exit(9)
    case "long" | "cancelled":
        time.sleep({LONG_SECONDS})
note("stored")
"""
SETTINGS = {
    "BRIDGE_PARSE__MEMORY_MIB": "100",
    "BRIDGE_PARSE__RETRY_CAUSES": '["exit_code_75", "node_failure", "out_of_memory", "signal_9"]',
    "BRIDGE_PARSE__RETRY_MEMORY_MAX_MIB": "400",
    "BRIDGE_PARSE__RETRY_PAUSE_SECONDS": "1",
}


@pytest.fixture(scope="module")
def slurm(shared_folder: Path) -> Iterator[PrivateSlurm]:
    """One that lets a job run again after some seconds, and soon finds that a node is lost."""
    (shared_folder / "slurm").mkdir()
    overrides = {
        "AuthInfo": "cred_expire=5",
        "JobAcctGatherFrequency": "task=1",
        "KillWait": "1",
        "SchedulerParameters": "batch_sched_delay=0,sched_interval=2",  # how soon it sees that a job may begin
        "SlurmdTimeout": "8",
    }
    with PrivateSlurm(shared_folder / "slurm", nodes=3, cpus=8, overrides=overrides) as slurm:
        yield slurm


@pytest.fixture(scope="module")
def runs(shared_folder: Path) -> Path:
    """The folder in which jobs note what they do."""
    (shared_folder / "main.py").write_text(PROGRAM)
    return owned_folder(shared_folder / "runs")


@pytest.fixture(scope="module")
def environment(slurm: PrivateSlurm, shared_folder: Path, runs: Path) -> dict[str, str]:
    command = ["/usr/bin/python3", str(runs.parent / "main.py")]
    return service_environment(slurm, shared_folder, command, **SETTINGS)


@pytest.fixture
def bridge(shared_folder: Path, environment: dict[str, str]) -> Iterator[Bridge]:
    with running_bridge(shared_folder, environment) as bridge:
        yield bridge


def noted(runs: Path) -> Counter[str]:
    """How often each job has noted each thing."""
    return Counter((runs / "notes").read_text().splitlines()) if (runs / "notes").exists() else Counter()


def jobs_of(bridge: Bridge, job_ids: list[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for start in range(0, len(job_ids), 1000):
        results = bridge.post("/jobs/query", {"ids": job_ids[start : start + 1000]}).body["results"]
        found += [result["job"] for result in results]
    return found


def sources() -> list[str]:
    faults = [fault for fault, share in SHARES.items() for _ in range(share)]
    return [f"{faults[number % len(faults)]}-{number}" for number in range(JOBS)] + ["cancelled-1", "cancelled-2"]


def test_faults_that_pass_end_well_and_wrong_data_fails_once(
    bridge: Bridge, slurm: PrivateSlurm, shared_folder: Path, environment: dict[str, str], runs: Path
) -> None:
    folder = shared_folder / "other"
    folder.mkdir()
    other = start_bridge(folder, environment)
    files = sources()
    items = [{**PARSE_BODY, "source": f"https://s.example/{file}"} for file in reversed(files)]
    singles = len(items) // 3
    job_ids = [other.post("/extractor/run", item).body["job_id"] for item in items[:singles]]
    for start in range(singles, len(items), 1000):
        answer = other.post("/extractor/batch", {"items": items[start : start + 1000]})
        job_ids += [job["job_id"] for job in answer.body["jobs"]]
    by_file = dict(zip(reversed(files), job_ids, strict=True))

    wait_until(lambda: all(noted(runs)[f"begun cancelled-{number}"] for number in (1, 2)), "the long ones run")
    slurm.run("scancel", by_file["cancelled-1"], by_file["cancelled-2"])
    wait_until(lambda: noted(runs).total() > JOBS // 2, "some have run")
    slurm.run("scontrol", "update", "NodeName=n3", "State=DRAIN", "Reason=to-be-lost")
    slurm.lose_node(3)
    lost = running_on(slurm, "n3")
    other.process.kill()  # with what it has in hand
    other.process.wait()
    wait_until(lambda: not running_on(slurm, "n3"), "Slurm finds that the node is lost", 60)
    with running_bridge(folder, environment) as other:
        slurm.start_node(3)
        slurm.run("scontrol", "update", "NodeName=n3", "State=RESUME")
        wait_until(lambda: all(job["finished"] for job in jobs_of(bridge, job_ids)), "all have ended", PATIENCE_SECONDS)
        told = [jobs_of(each, job_ids) for each in (bridge, other)]
    for one, same in zip(*told, strict=True):
        assert {**one, "as_of": ""} == {**same, "as_of": ""}
    assert lost
    check(dict(zip(reversed(files), told[0], strict=True)), noted(runs), lost)


def running_on(slurm: PrivateSlurm, node: str) -> set[str]:
    """The ids of the jobs that Slurm believes to run there."""
    return set(slurm.run("squeue", "--noheader", "--array", f"--nodelist={node}", "--format=%i").split())


def check(jobs: dict[str, dict[str, Any]], notes: Counter[str], lost: set[str]) -> None:
    """Each job has ended as it has to, with the attempts that it has to have; one more where its node was lost.

    A run that had stored its observations by then stores them once more: extractors have to bear that.
    """
    restarts = Counter[str]()
    for file, job in jobs.items():
        fault = file.partition("-")[0]
        restarts[fault] += job["restarts"]
        by_slurm = job["job_id"] in lost
        expected = EXPECTED_RESTARTS[fault]
        assert job["restarts"] in (expected, expected + by_slurm), job
        assert (job["attempt"], job["attempts_max"]) == (job["restarts"] + 1, 5)
        assert notes[f"begun {file}"] in (job["attempt"], job["attempt"] - by_slurm)
        times = (1, 1 + by_slurm)
        match fault:
            case "cancelled":
                assert (job["state"], notes[f"stored {file}"]) == ("CANCELLED", 0)
            case "wrong":
                assert (job["state"], job["exit_code"]) == ("FAILED", 1)
                assert notes[f"wrong {file}"] in times
            case _:
                assert job["state"] == "COMPLETED"
                assert notes[f"stored {file}"] in times
        if job["restarts"]:
            assert f"attempt {job['attempt']} of 5" in job["explanation"]
    print(f"{len(jobs)} jobs; runs beyond the first: {dict(restarts)}")


def test_a_job_that_needs_more_memory_gets_it(bridge: Bridge, slurm: PrivateSlurm) -> None:
    item = {**PARSE_BODY, "source": "https://s.example/hungry-alone"}
    job_id = bridge.post("/extractor/run", item).body["job_id"]
    again = bridge.wait_for(job_id, lambda job: job["attempt"] == 2, 60)
    assert again["explanation"].endswith("; attempt 2 of 5: signal 9 on " + again["explanation"].rpartition(" ")[2])
    described = slurm.run("scontrol", "show", "job", job_id)
    assert "MinMemoryNode=200M" in described
    assert "attempt 2 of 5: signal 9" in described
    ended = bridge.wait_until_finished(job_id)
    assert (ended["state"], ended["attempt"]) == ("COMPLETED", 2)


def test_it_waits_twice_as_long_each_time(
    slurm: PrivateSlurm, shared_folder: Path, environment: dict[str, str]
) -> None:
    folder = shared_folder / "patient"
    folder.mkdir()
    patient = {
        **environment,
        "BRIDGE_PARSE__RETRY_PAUSE_SECONDS": "1000",
        "BRIDGE_PARSE__RETRY_PAUSE_MAX_SECONDS": "1500",
    }
    with running_bridge(folder, patient) as bridge:
        item = {**PARSE_BODY, "source": "https://s.example/passing-alone"}
        job_id = bridge.post("/extractor/run", item).body["job_id"]
        for attempt, pause_seconds in ((2, 1000), (3, 1500)):
            again = bridge.wait_for(job_id, lambda job, attempt=attempt: job["attempt"] == attempt, 60)
            assert again["explanation"].endswith(
                f"; attempt {attempt} of 5: exit code 75 on {again['explanation'][-2:]}"
            )
            assert pause_seconds - 60 < begins_in(slurm, job_id) <= pause_seconds
            slurm.run("scontrol", "update", f"JobId={job_id}", "StartTime=now")
        assert bridge.wait_until_finished(job_id)["state"] == "COMPLETED"


def begins_in(slurm: PrivateSlurm, job_id: str) -> float:
    """In how many seconds a job may begin, as Slurm has it."""
    text = slurm.run("squeue", "--noheader", "--job", job_id, "--Format", "EligibleTime:30").strip()
    return time.mktime(time.strptime(text, "%Y-%m-%dT%H:%M:%S")) - time.time()


def test_quality_control_waits_for_a_parse_until_it_has_run_again(bridge: Bridge) -> None:
    body = {**PARSE_BODY, "source": "https://storage.example/passing-and-followed", "qaqc": True}
    answer = bridge.post("/extractor/run", body).body
    parse_id, qaqc_id = answer["job_id"], answer["qaqc"]["job_id"]
    parse = bridge.wait_for(parse_id, lambda job: job["state"] == "COMPLETED", 90)
    qaqc = bridge.wait_for(qaqc_id, lambda job: job["state"] == "COMPLETED", 60)
    assert (parse["restarts"], qaqc["start_time"] >= parse["end_time"]) == (2, True)


def test_a_bad_node_is_left_out(slurm: PrivateSlurm, shared_folder: Path, environment: dict[str, str]) -> None:
    folder = shared_folder / "choosy"
    folder.mkdir()
    with running_bridge(folder, {**environment, "BRIDGE_BAD_NODE_MINUTES": "10"}) as bridge:

        def run(source: str, node: str | None = None) -> dict[str, Any]:
            """A job of a thing of its own, on a certain node where one is named."""
            body = {**PARSE_BODY, "source": f"https://s.example/{source}", "thing_uuid": str(uuid4())}
            slurm.run("scontrol", "update", "PartitionName=normal", f"State={'DOWN' if node else 'UP'}")
            job_id = bridge.post("/extractor/run", body).body["job_id"]
            if node:
                slurm.run("scontrol", "update", f"JobId={job_id}", f"ReqNodeList={node}")
                slurm.run("scontrol", "update", "PartitionName=normal", "State=UP")
            return bridge.wait_until_finished(job_id)

        assert run("well-1", "n1")["nodes"] == "n1"
        for number in range(3):
            assert run(f"broken-{number}", "n2")["nodes"] == "n2"
        wait_until(lambda: bridge.get("/ready").body["status"] == "degraded", "it is left out")
        slurm.run("scontrol", "update", "NodeName=n1,n3", "State=DRAIN", "Reason=busy")
        body = {**PARSE_BODY, "source": "https://s.example/well-2"}
        job_id = bridge.post("/extractor/run", body).body["job_id"]
        assert "ExcNodeList=n2" in slurm.run("scontrol", "show", "job", job_id)
        slurm.run("scontrol", "update", "NodeName=n1,n3", "State=RESUME")
        assert bridge.wait_until_finished(job_id)["nodes"] in ("n1", "n3")
