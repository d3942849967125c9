"""Jobs that ended badly on a real Slurm, and one call that runs those again whose cause is mended.

60 files, or as many as BRIDGE_TEST_FAILURES says.
"""

import os
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.bridge_process import Bridge, owned_folder, running_bridge, service_environment
from tests.support.private_slurm import PrivateSlurm
from tests.support.samples import PARSE_BODY
from tests.support.waiting import wait_until

FILES = int(os.environ.get("BRIDGE_TEST_FAILURES", "60"))
PATIENCE_SECONDS = 60.0 + FILES / 4
# A job fails for the cause that the source's name says, until that cause is mended; it notes each run.
PROGRAM = """
import os, sys
folder = os.path.dirname(sys.argv[0]) + "/runs"
source = next(word for word in sys.argv if word.startswith("--source=")).rpartition("/")[2]
notes = os.open(folder + "/notes", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
os.write(notes, (source + "\\n").encode())
code = int(source.partition("-")[0])
sys.exit(0 if os.path.exists(f"{folder}/mended-{code}") else code)
"""


@pytest.fixture(scope="module")
def slurm(shared_folder: Path) -> Iterator[PrivateSlurm]:
    """One that lets a job run again after some seconds, not two minutes."""
    (shared_folder / "slurm").mkdir()
    overrides = {"AuthInfo": "cred_expire=5"}
    with PrivateSlurm(shared_folder / "slurm", nodes=2, cpus=8, overrides=overrides) as slurm:
        yield slurm


@pytest.fixture(scope="module")
def runs(shared_folder: Path) -> Path:
    """The folder in which jobs note that they run."""
    (shared_folder / "main.py").write_text(PROGRAM)
    return owned_folder(shared_folder / "runs")


@pytest.fixture(scope="module")
def bridge(slurm: PrivateSlurm, shared_folder: Path, runs: Path) -> Iterator[Bridge]:
    command = ["/usr/bin/python3", str(runs.parent / "main.py")]
    with running_bridge(shared_folder, service_environment(slurm, shared_folder, command)) as bridge:
        yield bridge


def groups(bridge: Bridge) -> dict[str, dict[str, Any]]:
    return {group["cause"]: group for group in bridge.get("/failures").body["groups"]}


def run_counts(runs: Path) -> Counter[str]:
    """How often the job of each file has run."""
    return Counter((runs / "notes").read_text().split())


def test_one_cause_is_mended_and_its_group_runs_again(
    bridge: Bridge, slurm: PrivateSlurm, shared_folder: Path, runs: Path
) -> None:
    files = [f"{(75, 1, 3)[number % 3]}-{number}.csv" for number in range(FILES)]
    items = [{**PARSE_BODY, "source": f"https://s.example/{file}"} for file in files]
    singles = FILES // 4
    jobs = [bridge.post("/extractor/run", item).body["job_id"] for item in items[:singles]]
    for start in range(singles, FILES, 1000):
        answer = bridge.post("/extractor/batch", {"items": items[start : start + 1000]})
        jobs += [job["job_id"] for job in answer.body["jobs"]]
    wait_until(lambda: bridge.get("/failures").body["count"] == FILES, "all have failed", PATIENCE_SECONDS)
    found = groups(bridge)
    of_cause = {
        cause: [job for job, file in zip(jobs, files, strict=True) if file.startswith(cause)]
        for cause in ("75-", "1-", "3-")
    }
    assert {cause: group["runnable"] for cause, group in found.items()} == {
        f"exit_code_{cause[:-1]}": len(failed) for cause, failed in of_cause.items()
    }
    assert sum(each["count"] for each in found["exit_code_75"]["nodes"]) == len(of_cause["75-"])

    (runs / "mended-75").touch()
    call = {"filter": found["exit_code_75"]["filter"]}
    preview = bridge.post("/failures/retry", {**call, "dry_run": True}).body
    begun_at = time.monotonic()
    done = bridge.post("/failures/retry", call)
    print(f"{done.body['count']} of {FILES} jobs run again, asked for in {time.monotonic() - begun_at:.2f} s")
    assert (done.status, done.body["refused"], done.body["left"]) == (202, [], 0)
    assert [job["job_id"] for job in done.body["jobs"]] == [job["job_id"] for job in preview["jobs"]]
    assert {job["job_id"] for job in done.body["jobs"]} == set(of_cause["75-"])
    folder = shared_folder / "other"
    folder.mkdir()
    environment = service_environment(slurm, folder, ["/usr/bin/python3", str(shared_folder / "main.py")])
    with running_bridge(folder, environment) as other:
        for repeated in (bridge, other):
            assert repeated.post("/failures/retry", call).body["count"] == 0
        wait_until(lambda: "exit_code_75" not in groups(bridge), "they are in the queue again")
        wait_until(
            lambda: len(ended_well(bridge, of_cause["75-"])) == len(of_cause["75-"]), "they end well", PATIENCE_SECONDS
        )
        for repeated in (bridge, other):
            assert repeated.post("/failures/retry", call).body["count"] == 0
    assert run_counts(runs) == {file: 2 if file.startswith("75-") else 1 for file in files}
    assert groups(bridge).keys() == {"exit_code_1", "exit_code_3"}


def ended_well(bridge: Bridge, job_ids: list[str]) -> list[str]:
    found: list[str] = []
    for start in range(0, len(job_ids), 1000):
        results = bridge.post("/jobs/query", {"ids": job_ids[start : start + 1000]}).body["results"]
        found += [each["job_id"] for each in results if each["job"]["state"] == "COMPLETED"]
    return found


def test_so_many_of_them_begin_in_a_minute(bridge: Bridge, slurm: PrivateSlurm) -> None:
    items = [{**PARSE_BODY, "source": f"https://s.example/7-{number}.csv"} for number in range(3)]
    ids = [bridge.post("/extractor/run", items[0]).body["job_id"]]
    ids += [job["job_id"] for job in bridge.post("/extractor/batch", {"items": items[1:]}).body["jobs"]]
    wait_until(lambda: groups(bridge).get("exit_code_7", {}).get("count") == 3, "they have failed")
    before = int(time.time())
    done = bridge.post("/failures/retry", {"filter": groups(bridge)["exit_code_7"]["filter"], "per_minute": 1})
    in_order = [job["job_id"] for job in done.body["jobs"]]
    assert sorted(in_order) == sorted(ids)
    begins = [begin_time(slurm, job_id) for job_id in in_order]
    assert 120 <= begins[0] - before <= 140
    assert [round((begin - begins[0]) / 60) for begin in begins] == [0, 1, 2]


def begin_time(slurm: PrivateSlurm, job_id: str) -> float:
    """Not before when the job may begin, as Slurm has it, in seconds since the epoch."""
    text = slurm.run("squeue", "--noheader", "--array", "--job", job_id, "--Format", "EligibleTime:30").strip()
    return datetime.fromisoformat(text).astimezone(UTC).timestamp()
