"""Jobs of one thing never overlap where `order_per_thing` is set, and share quality control, on a real Slurm.

`BRIDGE_TEST_ORDER_FILES` files of ten things; 200 take some minutes.
"""

import os
import random
import re
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.support.bridge_process import Bridge, running_bridge, service_environment
from tests.support.private_slurm import PrivateSlurm
from tests.support.samples import PARSE_BODY, of_each_kind
from tests.support.waiting import wait_until

FILES = int(os.environ.get("BRIDGE_TEST_ORDER_FILES", "30"))
THINGS = 10
COALESCE_SECONDS = 3 + FILES // 10  # longer than it takes to send all
PROGRAM = """
import os, sys, time
thing = next(word for word in sys.argv if word.startswith("--device-id=")).partition("=")[2]
kind = {"run-qaqc": "qaqc"}.get(sys.argv[1], sys.argv[1])
with open(sys.argv[0] + ".log", "a") as log:
    begin = time.time()
    time.sleep(4 if "--parser=slow" in sys.argv else 0.3)
    log.write(f"{thing} {begin} {time.time()} {kind}\\n")
sys.exit(75 if "--parser=fails" in sys.argv else 0)
"""


@pytest.fixture(scope="module")
def slurm(shared_folder: Path) -> Iterator[PrivateSlurm]:
    """With room for many jobs at a time."""
    (shared_folder / "slurm").mkdir()
    with PrivateSlurm(shared_folder / "slurm", cpus=64) as slurm:
        yield slurm


@pytest.fixture(scope="module")
def bridge(slurm: PrivateSlurm, shared_folder: Path) -> Iterator[Bridge]:
    program = shared_folder / "main.py"
    program.write_text(PROGRAM)
    command = ["/usr/bin/python3", str(program)]
    more = {
        "BRIDGE_ORDER_PER_THING": "true",
        "BRIDGE_QAQC_COALESCE_SECONDS": str(COALESCE_SECONDS),
        **of_each_kind("memory_mib", "100"),  # Slurm looks every few seconds whether a job takes more
    }
    environment = service_environment(slurm, shared_folder, command, **more)
    with running_bridge(shared_folder, environment) as bridge:
        yield bridge


@pytest.fixture
def log(shared_folder: Path) -> Path:
    """Where each job writes when it ran."""
    path = shared_folder / "main.py.log"
    path.touch()
    path.chmod(0o666)
    path.write_text("")
    return path


def thing(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012}"


def runs_of_things(log: Path) -> dict[str, list[tuple[float, float, str]]]:
    """When the jobs of each thing began and ended, and what they did."""
    lines = sorted(line.split() for line in log.read_text().splitlines())
    return {
        name: sorted((float(begin), float(end), what) for _, begin, end, what in some)
        for name, some in groupby(lines, key=lambda line: line[0])
    }


def overlaps(log: Path) -> list[Any]:
    return [
        (name, one, other)
        for name, runs in runs_of_things(log).items()
        for one, other in pairwise(runs)
        if other[0] < one[1]
    ]


def bodies() -> list[dict[str, Any]]:
    """Files of all things, in random order, each to be followed by quality control."""
    numbers = [number % THINGS for number in range(FILES)]
    random.shuffle(numbers)
    return [
        {**PARSE_BODY, "thing_uuid": thing(number), "source": f"https://storage.example/{place}", "qaqc": True}
        for place, number in enumerate(numbers)
    ]


def wait_until_all_have_ended(slurm: PrivateSlurm) -> None:
    wait_until(lambda: not slurm.run("squeue", "--noheader").strip(), "all have ended", 60 + 4 * FILES)


def test_no_two_jobs_of_a_thing_overlap(bridge: Bridge, slurm: PrivateSlurm, log: Path) -> None:
    with ThreadPoolExecutor(4) as clients:
        answers = list(clients.map(lambda body: bridge.post("/extractor/run", body), bodies()))
    assert {answer.status for answer in answers} == {202}
    shown = slurm.run("squeue", "--noheader", "--format=%j %T %k").splitlines()
    assert all(line.startswith("thing-00000000-") and '{"kind":"' in line for line in shown)
    assert sum("PENDING" in line and '"kind":"qaqc"' in line for line in shown) <= THINGS
    wait_until_all_have_ended(slurm)
    assert overlaps(log) == []
    kinds = {name: [kind for *_, kind in runs] for name, runs in runs_of_things(log).items()}
    assert sum(some.count("parse") for some in kinds.values()) == FILES
    assert [some[-1] for some in kinds.values()] == ["qaqc"] * THINGS
    ends = Counter(bridge.wait_until_finished(answer.body["qaqc"]["job_id"])["state"] for answer in answers)
    assert ends == {"CANCELLED": FILES - ends["COMPLETED"], "COMPLETED": sum(s.count("qaqc") for s in kinds.values())}


def test_items_of_a_batch_do_not_overlap(bridge: Bridge, slurm: PrivateSlurm, log: Path) -> None:
    answer = bridge.post("/extractor/batch", {"items": bodies()})
    assert answer.status == 202
    wait_until_all_have_ended(slurm)
    assert overlaps(log) == []
    kinds = [[kind for *_, kind in runs] for runs in runs_of_things(log).values()]
    assert sum(some.count("parse") for some in kinds) == FILES
    assert [(some.count("qaqc"), some[-1]) for some in kinds] == [(1, "qaqc")] * THINGS


def test_a_job_that_runs_again_overlaps_none_either(bridge: Bridge, slurm: PrivateSlurm, log: Path) -> None:
    own = {**PARSE_BODY, "thing_uuid": thing(99)}
    first, second = (bridge.post("/extractor/run", {**own, "parser": name}).body for name in ("fails", "slow"))
    bridge.wait_until_finished(first["job_id"])
    bridge.wait_for(second["job_id"], lambda job: job["state"] == "RUNNING")
    assert bridge.post(f"{first['href']}/retry", b"").status == 202
    assert begins_in(slurm, first["job_id"]) > 100  # as without a hold
    slurm.run("scontrol", "update", f"JobId={first['job_id']}", "StartTime=now")
    wait_until(lambda: len(log.read_text().splitlines()) == 3, "the first has run twice", 40)
    time.sleep(0.1)
    assert overlaps(log) == []
    assert [what for *_, what in runs_of_things(log)[thing(99)]] == ["parse"] * 3


@pytest.mark.usefixtures("log")
def test_a_job_that_a_crash_has_left_held_is_finished_with(bridge: Bridge, slurm: PrivateSlurm) -> None:
    own = {**PARSE_BODY, "thing_uuid": thing(98)}
    job, other = (bridge.post("/extractor/run", {**own, "parser": name}).body for name in ("fails", "slow"))
    bridge.wait_until_finished(job["job_id"])
    bridge.wait_for(other["job_id"], lambda job: job["state"] == "RUNNING")
    slurm.run("scontrol", "suspend", other["job_id"])  # it does not end
    slurm.run("scontrol", "requeuehold", job["job_id"])  # the first of the two requests of a worker
    bridge.wait_for(job["job_id"], lambda job: "run it again to let it begin" in job["explanation"])
    assert "Dependency=(null)" in slurm.run("scontrol", "show", "job", job["job_id"])
    assert bridge.post(f"{job['href']}/retry", b"").status == 202
    shown = slurm.run("scontrol", "show", "job", job["job_id"])
    assert "Dependency=singleton" in shown
    assert "Priority=0 " not in shown
    assert begins_in(slurm, job["job_id"]) > 100
    assert bridge.post(f"{job['href']}/retry", b"").status == 409


def begins_in(slurm: PrivateSlurm, job_id: str) -> float:
    """In how many seconds a job may begin, as Slurm has it."""
    begin = re.search(r"StartTime=(\S+)", slurm.run("scontrol", "show", "job", job_id))
    assert begin is not None
    return time.mktime(time.strptime(begin[1], "%Y-%m-%dT%H:%M:%S")) - time.time()
