"""Faults that pass, with the real extractor: in the end each observation is in the datastore, and once."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support import time_io_datastore
from tests.support.bridge_process import ROOT, running_bridge, service_environment, start_bridge
from tests.support.ports import free_port
from tests.support.private_slurm import PrivateSlurm
from tests.support.samples import THING, of_each_kind
from tests.support.static_http import serving
from tests.support.time_io_datastore import Datastore
from tests.support.waiting import wait_until

START = datetime(2020, 1, 1, tzinfo=UTC)
CPUS = 3  # of a node
FILES = 24
ROWS = 5000  # of each, of two values
# Each third file is not served at first; each eighth, from the second on, holds wrong data.
LATE, WRONG = 3, 8
PARSER = {
    "type": "CsvParser",
    "settings": {
        "header": 1,
        "delimiter": ",",
        "timestamp_column": 0,
        "timestamp_format": "%Y-%m-%dT%H:%M:%S%z",
    },
}


@pytest.fixture(scope="module")
def slurm(shared_folder: Path) -> Iterator[PrivateSlurm]:
    """One that lets a job run again after some seconds, and soon finds that a node is lost."""
    (shared_folder / "slurm").mkdir()
    overrides = {"AuthInfo": "cred_expire=5", "SlurmdTimeout": "8"}
    with PrivateSlurm(shared_folder / "slurm", nodes=2, cpus=CPUS, overrides=overrides) as slurm:
        yield slurm


@pytest.fixture
def database() -> Iterator[Datastore]:
    with time_io_datastore.running({"parsers": [PARSER]}) as database:
        yield database


def write_files(folder: Path) -> None:
    for number in range(FILES):
        begin = START + timedelta(days=10 * number)
        times = (begin + timedelta(minutes=minute) for minute in range(ROWS))
        lines = [f"{time:%Y-%m-%dT%H:%M:%S%z},{number},0.5" for time in times]
        if number % WRONG == 1:
            lines[-1] = "yesterday,1,2"
        (folder / f"{number}.csv").write_text("\n".join(["time,air,soil", *lines, ""]))


def test_each_observation_is_stored_once(
    slurm: PrivateSlurm,
    shared_folder: Path,
    tmp_path: Path,
    database: Datastore,
) -> None:
    """A source that is away at first, a node that is lost while its jobs run, a bridge that is killed, wrong data."""
    target, connection = database
    write_files(tmp_path)
    command = ["/opt/extractor/bin/python", str(ROOT / "extractor" / "main.py")]
    environment = service_environment(
        slurm,
        shared_folder,
        command,
        **of_each_kind("memory_mib", "512"),
        BRIDGE_PARSE__RETRY_CAUSES='["exit_code_75", "node_failure", "signal_9"]',
        BRIDGE_PARSE__RETRY_PAUSE_SECONDS="1",
    )
    late_port = free_port()
    with ExitStack() as stack:
        source = stack.enter_context(serving(tmp_path))
        ports = {number: late_port if number % LATE == 0 else source.port for number in range(FILES)}
        items = [
            {
                "parser": "CsvParser",
                "thing_uuid": THING,
                "target": target,
                "source": f"http://127.0.0.1:{port}/{number}.csv",
            }
            for number, port in ports.items()
        ]
        first = start_bridge(shared_folder, environment)
        stack.callback(first.process.kill)
        answer = first.post("/extractor/batch", {"items": items})
        job_ids = [job["job_id"] for job in answer.body["jobs"]]
        wait_until(lambda: attempts(first.post("/jobs/query", {"ids": job_ids}).body) > FILES, "one runs again", 60)
        stack.enter_context(serving(tmp_path, late_port))
        first.process.kill()
        first.process.wait()
        wait_until(lambda: len(running_on_second(slurm)) == CPUS, "the node is full", 120)
        slurm.run("scontrol", "update", "NodeName=n2", "State=DRAIN", "Reason=to-be-lost")
        lost = running_on_second(slurm)
        slurm.lose_node(2)
        wait_until(lambda: not running_on_second(slurm), "Slurm finds that the node is lost", 60)
        slurm.start_node(2)
        slurm.run("scontrol", "update", "NodeName=n2", "State=RESUME")
        bridge = stack.enter_context(running_bridge(shared_folder, environment))
        jobs = [bridge.wait_until_finished(job_id, seconds=240) for job_id in job_ids]
    for number, job in enumerate(jobs):
        wrong = number % WRONG == 1
        assert (job["state"], job["exit_code"]) == (("FAILED", 1) if wrong else ("COMPLETED", 0)), job
        if number % LATE and job["job_id"] not in lost:
            assert job["attempt"] == 1, job
    assert any(job["attempt"] > 1 for job in jobs if job["job_id"] in lost)
    counts = "SELECT count(*), count(DISTINCT (datastream_id, result_time)) FROM project.observation"
    stored = (FILES - len(range(1, FILES, WRONG))) * ROWS * 2
    assert connection.execute(counts).fetchall() == [(stored, stored)]


def attempts(answer: dict[str, Any]) -> int:
    return sum(result["job"]["attempt"] for result in answer["results"])


def running_on_second(slurm: PrivateSlurm) -> set[str]:
    return set(slurm.run("squeue", "--noheader", "--array", "--nodelist=n2", "--format=%i").split())
