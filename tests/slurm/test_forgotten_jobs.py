"""Jobs of one's own are found whatever the controller has forgotten, on a cluster with accounting."""

import os
import re
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.accounting import ACCOUNT, running_accounting
from tests.support.bridge_process import SERVICE_USER, Bridge, running_bridge, service_environment
from tests.support.private_slurm import PrivateSlurm, PrivateSlurmError
from tests.support.samples import PARSE_BODY, QAQC_BODY, of_each_kind
from tests.support.waiting import wait_until

PURGE_SECONDS = 90.0  # slurmctld looks once a minute for jobs that it may forget
REQUEST_SECONDS = 15.0  # the default of request_timeout_seconds


@pytest.fixture(scope="module")
def slurm(shared_folder: Path) -> Iterator[PrivateSlurm]:
    folder = shared_folder / "slurm"
    folder.mkdir()
    with (
        running_accounting(folder) as parameters,
        PrivateSlurm(folder, overrides={**parameters, "MinJobAge": "10"}) as slurm,
    ):
        yield slurm


@pytest.fixture(scope="module")
def environment(slurm: PrivateSlurm, shared_folder: Path) -> dict[str, str]:
    program = shared_folder / "extractor.py"
    program.write_text("import sys\nsys.exit(3 if sys.argv[1] == 'parse' else 0)\n")
    command = ["/usr/bin/python3", str(program)]
    return service_environment(slurm, shared_folder, command, **of_each_kind("account", ACCOUNT))


def knows(slurm: PrivateSlurm, job_id: str) -> bool:
    try:
        slurm.run("scontrol", "show", "job", job_id)
    except PrivateSlurmError:
        return False
    return True


def test_an_own_job_is_never_not_found(slurm: PrivateSlurm, environment: dict[str, str], shared_folder: Path) -> None:
    answers: list[tuple[int, str]] = []
    with running_bridge(shared_folder, environment) as bridge:
        job_id = bridge.post("/extractor/run", PARSE_BODY, key="k").body["job_id"]

        def is_forgotten() -> bool:
            answer = bridge.get(f"/jobs/{job_id}")
            answers.append((answer.status, answer.body.get("source")))
            return not knows(slurm, job_id)

        is_forgotten()
        wait_until(is_forgotten, "the controller forgets the job", PURGE_SECONDS)
        wait_until(lambda: bridge.get(f"/jobs/{job_id}").body["source"] == "memory", "the bridge remembers it")
        remembered = bridge.get(f"/jobs/{job_id}").body
        assert set(answers) <= {(200, "controller"), (200, "memory")}
        assert (remembered["state"], remembered["exit_code"]) == ("FAILED", 3)
        other_id = bridge.post("/qaqc/run", QAQC_BODY).body["job_id"]
        bridge.wait_until_finished(other_id)
    (shared_folder / "restarted").mkdir()
    with running_bridge(shared_folder / "restarted", environment) as bridge:
        job = bridge.get(f"/jobs/{job_id}").body
        assert job["source"] == "accounting"
        same = ("job_id", "kind", "thing_uuid", "request_id", "state", "exit_code", "submit_time", "end_time", "nodes")
        assert {name: job[name] for name in same} == {name: remembered[name] for name in same}
        assert bridge.get("/jobs/4000000").status == 404
        again = bridge.post("/extractor/run", PARSE_BODY, key="k")
        assert (again.status, again.body["job_id"]) == (200, job_id)
        assert bridge.post("/qaqc/run", QAQC_BODY, key="k").status == 422
        listed = bridge.get("/jobs?since=2020-01-01T00:00:00Z").body
        assert [job["job_id"] for job in listed["jobs"]] == [other_id, job_id]
        slurm.pause_controller()
        try:
            assert bridge.get(f"/jobs/{job_id}").body["state"] == "FAILED"
        finally:
            slurm.resume_controller()


def test_who_cancelled_a_job_is_told(slurm: PrivateSlurm, environment: dict[str, str], shared_folder: Path) -> None:
    (shared_folder / "cancelled").mkdir()
    with running_bridge(shared_folder / "cancelled", environment) as bridge:
        slurm.run("scontrol", "update", "PartitionName=normal", "State=DOWN")
        theirs, ours = (bridge.post("/qaqc/run", QAQC_BODY).body["job_id"] for _ in range(2))
        slurm.run("scancel", theirs)
        bridge.delete(f"/jobs/{ours}")
        slurm.run("scontrol", "update", "PartitionName=normal", "State=UP")
        for job_id, user in ((theirs, "root"), (ours, SERVICE_USER)):
            said = f"was cancelled while it waited, by {user}"
            bridge.wait_for(job_id, lambda job, said=said: job["explanation"] == said)


def test_a_slurmdbd_that_is_away_is_told_where_it_would_have_been_asked(
    slurm: PrivateSlurm, environment: dict[str, str], shared_folder: Path
) -> None:
    (shared_folder / "away").mkdir()
    slurmdbd = int((slurm.folder / "slurmdbd.pid").read_text())
    with running_bridge(shared_folder / "away", environment) as bridge:
        assert bridge.get("/jobs/4000000").status == 404
        os.kill(slurmdbd, signal.SIGSTOP)
        try:
            job_id = bridge.post("/qaqc/run", QAQC_BODY).body["job_id"]
            assert bridge.get(f"/jobs/{job_id}").status == 200
            unknown = bridge.get("/jobs/4000001")
            assert (unknown.status, unknown.body["type"]) == (503, "urn:tsm-slurm-bridge:accounting-unreachable")
            listed = bridge.get("/jobs?since=2020-01-01T00:00:00Z")
            assert (listed.status, listed.body["jobs"][0]["job_id"]) == (200, job_id)
            assert "accounting" in listed.body["missing"]
            ready = bridge.get("/ready")
            assert (ready.status, ready.body["status"]) == (200, "degraded")
        finally:
            os.kill(slurmdbd, signal.SIGCONT)
        wait_until(lambda: bridge.get("/jobs/4000001").status == 404, "slurmdbd is asked again", 30)


def test_a_slurmdbd_that_hangs_is_asked_a_few_times_for_a_thousand_jobs(
    slurm: PrivateSlurm, environment: dict[str, str], shared_folder: Path
) -> None:
    (shared_folder / "hangs").mkdir()
    slurmdbd = int((slurm.folder / "slurmdbd.pid").read_text())
    unknown = [str(4_100_000 + number) for number in range(1000)]
    with running_bridge(shared_folder / "hangs", environment) as bridge, ThreadPoolExecutor(3) as clients:
        assert bridge.get("/jobs/4000000").status == 404
        asked_before = questions_to_accounting(bridge)
        os.kill(slurmdbd, signal.SIGSTOP)
        try:
            started = time.monotonic()
            queries = [clients.submit(bridge.post, "/jobs/query", {"ids": unknown}) for _ in range(3)]
            healthy = []
            while not all(query.done() for query in queries):
                begun_at = time.monotonic()
                assert bridge.get("/health").status == 200
                healthy.append(time.monotonic() - begun_at)
                time.sleep(0.02)
            taken = time.monotonic() - started
        finally:
            os.kill(slurmdbd, signal.SIGCONT)
        for query in queries:
            assert query.result().status == 200
            answers = query.result().body["results"]
            assert [answer["job_id"] for answer in answers] == unknown
            assert {answer["problem"]["type"] for answer in answers} == {"urn:tsm-slurm-bridge:accounting-unreachable"}
        asked = questions_to_accounting(bridge) - asked_before
        print(f"{taken:.1f} s, {asked} questions, /health at most {1000 * max(healthy):.1f} ms")
        assert taken < REQUEST_SECONDS
        assert asked <= 3  # the first of each client
        assert sorted(healthy)[len(healthy) * 99 // 100] < 0.2

        def is_answered() -> bool:
            answers = bridge.post("/jobs/query", {"ids": unknown[:10]}).body["results"]
            return {answer["problem"]["type"] for answer in answers} == {"urn:tsm-slurm-bridge:not-found"}

        wait_until(is_answered, "slurmdbd is asked again", 30)


def questions_to_accounting(bridge: Bridge) -> int:
    """How often the bridge has asked accounting for a job."""
    text = bridge.get_bytes("/metrics").body.decode()
    counts = re.findall(r'^tsm_bridge_slurm_rpc_seconds_count\{call="find_past".*\} ([0-9.e+]+)$', text, re.MULTILINE)
    return int(sum(map(float, counts)))
