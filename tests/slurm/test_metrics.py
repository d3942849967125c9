"""Figures of `/metrics` beside those of `sacct`, on a real Slurm with accounting."""

import os
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.accounting import running_accounting
from tests.support.bridge_process import Bridge, running_bridge, service_environment
from tests.support.figures import Figures, read_figures
from tests.support.private_slurm import PrivateSlurm
from tests.support.samples import PARSE_BODY, QAQC_BODY
from tests.support.waiting import wait_until

JOBS = int(os.environ.get("BRIDGE_TEST_JOBS", "150"))
SECONDS = 60 + JOBS  # until all have ended, on a busy machine
# A parse job ends as the parser's name says; one of quality control ends well.
EXTRACTOR = """case "$*" in
*Fail*) exit 3 ;;
*Kill*) kill -KILL $$ ;;
*Sleep*) exec sleep 3600 ;;
esac
"""


@pytest.fixture(scope="module")
def slurm(shared_folder: Path) -> Iterator[PrivateSlurm]:
    folder = shared_folder / "slurm"
    folder.mkdir()
    room = {"MaxJobCount": str(2 * JOBS)}
    with running_accounting(folder) as parameters, PrivateSlurm(folder, overrides=parameters | room, cpus=16) as slurm:
        yield slurm


@pytest.fixture(scope="module")
def bridge(slurm: PrivateSlurm, shared_folder: Path) -> Iterator[Bridge]:
    program = shared_folder / "extractor.py"
    program.write_text(f"import os, sys\nos.execvp('sh', ['sh', '-c', {EXTRACTOR!r}, *sys.argv])\n")
    # The bridge's own limits are not what is tested here.
    more = {"BRIDGE_REQUESTS_PER_SECOND": "100000", "BRIDGE_MAX_PENDING_JOBS": str(2 * JOBS)}
    environment = service_environment(slurm, shared_folder, ["/usr/bin/python3", str(program)], **more)
    with running_bridge(shared_folder, environment) as bridge:
        yield bridge


def figures(bridge: Bridge) -> Figures:
    return read_figures(bridge.get_bytes("/metrics").body.decode())


def finished(bridge: Bridge) -> dict[tuple[str, ...], float]:
    """How many jobs ended, by kind and outcome."""
    return {key[1:]: count for key, count in figures(bridge).items() if key[0] == "jobs_finished_total" and count}


def accounted(slurm: PrivateSlurm) -> list[list[str]]:
    """Kind, state and seconds of running of each job that has ended."""
    columns = "JobName,State,ElapsedRaw"
    command = ["sacct", "--allocations", "--noheader", "--parsable2", "--allusers", f"--format={columns}"]
    rows = [line.split("|") for line in slurm.run(*command).splitlines()]
    return [row for row in rows if row[1] not in ("PENDING", "RUNNING", "COMPLETING")]


def test_the_counters_are_those_of_accounting(bridge: Bridge, slurm: PrivateSlurm) -> None:
    parsers = ["Succeed", "Fail", "Succeed", "Kill", "Succeed"]
    bodies = [("/extractor/run", {**PARSE_BODY, "parser": parsers[number % 5]}) for number in range(JOBS * 4 // 5)]
    bodies += [("/qaqc/run", QAQC_BODY)] * (JOBS - len(bodies) - 2)
    bodies += [("/extractor/run", {**PARSE_BODY, "parser": "Sleep"})] * 2
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda body: bridge.post(*body), bodies))
    assert {answer.status for answer in answers} == {202}
    for answer in answers[-2:]:
        bridge.wait_for(answer.body["job_id"], lambda job: job["state"] == "RUNNING", SECONDS)
        bridge.delete(answer.body["href"])
    wait_until(lambda: len(accounted(slurm)) == JOBS, "accounting has all", SECONDS)
    wait_until(lambda: sum(finished(bridge).values()) == JOBS, "the bridge has seen all ends", 30)
    rows = accounted(slurm)
    assert finished(bridge) == Counter((row[0], row[1].split()[0].lower()) for row in rows)
    ran: defaultdict[str, int] = defaultdict(int)
    for row in rows:
        ran[row[0]] += int(row[2])
    seen = figures(bridge)
    for kind, seconds in ran.items():
        assert seen["job_run_seconds_sum", kind] == seconds
        assert seen["job_run_seconds_count", kind] == sum(row[0] == kind for row in rows)
    accepted = {key[1]: count for key, count in seen.items() if key[0] == "submissions_total" and key[2] == "accepted"}
    assert accepted == Counter(row[0] for row in rows)


def test_a_scrape_costs_the_controller_nothing(bridge: Bridge, slurm: PrivateSlurm) -> None:
    time.sleep(12)  # until the bridge looks seldom, as nothing is asked of it
    slurm.run("sdiag", "--reset")
    for _ in range(300):
        figures(bridge)
    assert slurm.rpc_count() <= 10
