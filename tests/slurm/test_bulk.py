"""Many files in ten batches, while whatever takes part is killed: each file has one job, which runs once.

How many files is BRIDGE_TEST_BULK_JOBS: ten thousand take a quarter of an hour.
"""

import os
import urllib.error
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support.bridge_process import (
    Bridge,
    owned_folder,
    running_bridge,
    service_environment,
    start_bridge,
    workers_of,
)
from tests.support.private_slurm import PrivateSlurm
from tests.support.samples import PARSE_BODY
from tests.support.waiting import wait_until

JOBS = int(os.environ.get("BRIDGE_TEST_BULK_JOBS", "200"))
BATCHES = 10
PER_BATCH = JOBS // BATCHES
THINGS = 10
FAILING = 7  # each so many-th file is a bad one
SECONDS_A_JOB = 0.5  # at most, on a busy machine
PROGRAM = """
import os, sys
source = next(word.partition("=")[2] for word in sys.argv if word.startswith("--source="))
runs = os.open("{runs}", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
os.write(runs, f"{{source}}\\n".encode())
print("read", source)
sys.exit(3 if source.endswith("-bad.csv") else 0)
"""


def source(number: int) -> str:
    return f"https://storage.example/{number}{'-bad' if number % FAILING == 0 else ''}.csv"


def batch(number: int) -> dict[str, Any]:
    numbers = range(number * PER_BATCH, (number + 1) * PER_BATCH)
    things = [f"00000000-0000-4000-8000-{file % THINGS:012}" for file in numbers]
    items = [
        {**PARSE_BODY, "source": source(file), "thing_uuid": thing} for file, thing in zip(numbers, things, strict=True)
    ]
    return {"items": items, "lane": "bulk"}


@pytest.fixture
def slurm(shared_folder: Path) -> Iterator[PrivateSlurm]:
    (shared_folder / "slurm").mkdir()
    overrides = {"MaxJobCount": str(2 * JOBS + 1000), "MinJobAge": "7200"}
    # No job runs that the controller has not saved: without accounting, such a one would run again after a crash.
    partitions = ["PartitionName=normal Default=YES Nodes=ALL State=DOWN MaxTime=INFINITE"]
    with PrivateSlurm(shared_folder / "slurm", overrides=overrides, partitions=partitions, cpus=8) as slurm:
        yield slurm


@pytest.fixture
def runs(shared_folder: Path) -> Path:
    return owned_folder(shared_folder / "jobs") / "runs"


@pytest.fixture
def environment(slurm: PrivateSlurm, shared_folder: Path, runs: Path) -> dict[str, str]:
    program = runs.with_name("program.py")
    program.write_text(PROGRAM.format(runs=runs))
    return service_environment(slurm, shared_folder, ["/usr/bin/python3", str(program)])


def post(bridge: Bridge, number: int) -> list[str]:
    """The ids that the batch gets; sent again until it is accepted."""
    ids: list[str] = []

    def is_accepted() -> bool:
        try:
            answer = bridge.post("/extractor/batch", batch(number), key=f"batch-{number}")
        except (OSError, urllib.error.URLError):  # it was killed
            return False
        assert answer.status in (200, 202, 503), answer.body
        ids[:] = [job["job_id"] for job in answer.body.get("jobs", ())]
        return answer.status != 503

    wait_until(is_accepted, f"batch {number} is accepted", 120)
    return ids


def test_each_file_of_ten_batches_is_parsed_once_whatever_is_killed(
    slurm: PrivateSlurm, environment: dict[str, str], shared_folder: Path, runs: Path
) -> None:
    bridge = start_bridge(shared_folder, environment)
    try:
        with ThreadPoolExecutor(2) as clients:
            posted: list[Future[list[str]]] = [clients.submit(post, bridge, number) for number in range(BATCHES)]
            posted[1].result()
            slurm.kill_controller()
            slurm.start_controller()
            posted[3].result()
            for worker in workers_of(bridge.process.pid):
                os.kill(worker, 9)
            posted[5].result()
            bridge.process.kill()
            bridge.process.wait()
            port = int(bridge.url.rpartition(":")[2])
            with running_bridge(shared_folder, environment, port=port) as bridge:
                for batch_posted in posted:
                    batch_posted.result()
                see_each_parsed_once(bridge, slurm, runs)
    finally:
        bridge.process.kill()
        bridge.process.wait()


def see_each_parsed_once(bridge: Bridge, slurm: PrivateSlurm, runs: Path) -> None:
    ids = [job_id for number in range(BATCHES) for job_id in post(bridge, number)]
    assert len(set(ids)) == JOBS
    assert Counter(slurm.run("squeue", "--noheader", "--array", "--format=%T").split()) == {"PENDING": JOBS}
    slurm.run("scontrol", "update", "partition=normal", "state=up")

    bridge.wait_until_finished(ids[PER_BATCH], JOBS * SECONDS_A_JOB)
    for worker in workers_of(bridge.process.pid):
        os.kill(worker, 9)
    wait_until(lambda: not slurm.run("squeue", "--noheader").strip(), "all have ended", JOBS * SECONDS_A_JOB)
    assert Counter(runs.read_text().split()) == Counter(map(source, range(JOBS)))

    for number, job_id in enumerate(ids):
        job = bridge.get(f"/jobs/{job_id}").body
        is_bad = number % FAILING == 0
        assert (job["state"], job["exit_code"]) == (("FAILED", 3) if is_bad else ("COMPLETED", 0)), job
        assert ("3" in job["explanation"]) == is_bad, job
        assert bridge.get_bytes(job["stdout_href"]).body.decode() == f"read {source(number)}\n"
