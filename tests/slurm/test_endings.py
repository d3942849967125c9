"""How jobs wait and end on a real Slurm, and what a client is told of it.

All run at the same time, after they were prepared behind a partition that is closed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.bridge_process import Bridge, running_bridge, service_environment
from tests.support.private_slurm import PrivateSlurm
from tests.support.samples import PARSE_BODY

PARTITIONS = (
    "PartitionName=normal Default=YES Nodes=ALL State=DOWN PriorityTier=1",
    "PartitionName=urgent Nodes=ALL State=UP PriorityTier=2",
)
OVERRIDES = {
    "KillWait": "1",
    "JobAcctGatherFrequency": "task=1",  # how often memory is looked at
    "PreemptType": "preempt/partition_prio",
    "PreemptMode": "CANCEL",
}
# What the parser's name tells the stand-in to do.
STAND_IN = """
import os, signal, sys, time
command = next(word.split("=")[1] for word in sys.argv if word.startswith("--parser="))
match command.split("_"):
    case ["Exit", code]: sys.exit(int(code))
    case ["Raise", number]: os.kill(os.getpid(), int(number))
    case ["Sleep"]: time.sleep(600)
    case ["Eat"]:
        eaten = b"x" * 2**28
        time.sleep(600)
"""
LAUNCH = "failed: its node could not start it; check that output_folder is there and belongs to the service's user"


@dataclass(frozen=True)
class Case:
    """A job: what is done to it, and what a client is to see. `{}` stands for its id, `{name}` for another job's."""

    parser: str
    expected: dict[str, Any]
    prepared: str = ""  # a command of an administrator while its partition is closed
    started: str = ""  # and one once it runs


def waiting(reason: str, explanation: str) -> dict[str, Any]:
    return {
        "state": "PENDING",
        "state_reason": reason,
        "explanation": explanation,
        "finished": False,
        "succeeded": False,
        "exit_code": None,
        "signal": None,
        "start_time": None,
        "end_time": None,
        "nodes": None,
    }


def ended(state: str, explanation: str, **others: Any) -> dict[str, Any]:
    return {
        "state": state,
        "explanation": explanation,
        "finished": True,
        "succeeded": state == "COMPLETED",
        "exit_code": None,
        "signal": None,
        **others,
    }


CASES = {
    "success": Case("Exit_0", ended("COMPLETED", "finished normally", exit_code=0)),
    "exit-3": Case("Exit_3", ended("FAILED", "failed with exit code 3: its standard error says why", exit_code=3)),
    "exit-127": Case(
        "Exit_127",
        ended(
            "FAILED",
            "failed with exit code 127, which a shell gives for a command that is not found: "
            "its standard error says why",
            exit_code=127,
        ),
    ),
    "exit-128": Case(
        "Exit_128", ended("FAILED", "failed with exit code 128: its standard error says why", exit_code=128)
    ),
    "exit-139": Case(
        "Exit_139",
        ended(
            "FAILED",
            "failed with exit code 139, which a shell gives for signal 11, SIGSEGV (Segmentation fault): "
            "its standard error says why",
            exit_code=139,
        ),
    ),
    "segmentation-fault": Case(
        "Raise_11", ended("FAILED", "was ended by signal 11, SIGSEGV (Segmentation fault)", signal=11)
    ),
    # Without cgroups Slurm kills the job, and calls it no more than that.
    "memory": Case(
        "Eat",
        ended("FAILED", "was ended by signal 9, SIGKILL (Killed), most often for using too much memory", signal=9),
    ),
    "time-limit": Case(
        "Sleep",
        ended("TIMEOUT", "was ended at its time limit", signal=15),
        started="scontrol update jobid={} EndTime=now+1",
    ),
    "cancelled-while-it-ran": Case(
        "Sleep", ended("CANCELLED", "was cancelled while it ran", signal=15, nodes="n1"), started="scancel {}"
    ),
    "cancelled-while-it-waited": Case(
        "Sleep",
        ended("CANCELLED", "was cancelled while it waited", nodes=None, start_time=None, run_seconds=None),
        prepared="scancel {}",
    ),
    "node-down": Case(
        "Sleep",
        ended("NODE_FAIL", "failed because its node went down", nodes="n2", restarts=0),
        prepared="scontrol update jobid={} ReqNodeList=n2 Requeue=0",
        started="scontrol update nodename=n2 state=DOWN reason=test",
    ),
    "preempted": Case(
        "Sleep",
        ended("PREEMPTED", "was ended in favour of a job of higher priority", signal=15, nodes="n3"),
        prepared="scontrol update jobid={} ReqNodeList=n3",
        started="sbatch --partition=urgent --nodelist=n3 --exclusive --mem=10 --output=/dev/null --wrap=true",
    ),
    "deadline": Case(
        "Sleep",
        ended("DEADLINE", "never ran: it could not have ended before its deadline", nodes=None, start_time=None),
        prepared="scontrol update jobid={} TimeLimit=1 Deadline=now+30",
    ),
    "output-folder-missing": Case(
        "Sleep", ended("FAILED", LAUNCH, signal=53), prepared="scontrol update jobid={} StdOut=/nowhere/out"
    ),
    "put-back": Case(
        "Sleep",
        {
            **waiting(
                "BeginTime",
                "was put back into the queue and runs again after a pause, of two minutes by Slurm's default",
            ),
            "restarts": 1,
        },
        prepared="scontrol update jobid={} ReqNodeList=n2",  # which goes down with the job of "node-down"
    ),
    "put-back-and-held": Case(
        "Sleep",
        {
            **waiting(
                "job requeued in held state",
                "is held: it was put back into the queue to wait there; release it",
            ),
            "restarts": 1,
        },
        started="scontrol requeuehold {}",
    ),
    "held-by-an-administrator": Case(
        "Sleep",
        waiting("JobHeldAdmin", "is held by an administrator, who has to release it"),
        prepared="scontrol hold {}",
    ),
    "held-by-its-user": Case(
        "Sleep", waiting("JobHeldUser", "is held by its user, who has to release it"), prepared="scontrol uhold {}"
    ),
    "dependency": Case(
        "Sleep",
        waiting("Dependency", "waits for the job that it depends on"),
        prepared="scontrol update jobid={} Dependency=afterok:{held-by-its-user}",
    ),
    "dependency-never-satisfied": Case(
        "Sleep",
        waiting("DependencyNeverSatisfied", "can never run: the job it depends on did not end as it had to; cancel it"),
        prepared="scontrol update jobid={} Dependency=afterok:{exit-3}",
    ),
}


@pytest.fixture(scope="module")
def slurm(shared_folder: Path) -> Iterator[PrivateSlurm]:
    folder = shared_folder / "slurm"
    folder.mkdir()
    with PrivateSlurm(folder, nodes=3, cpus=len(CASES), overrides=OVERRIDES, partitions=PARTITIONS) as slurm:
        yield slurm


@pytest.fixture(scope="module")
def bridge(slurm: PrivateSlurm, shared_folder: Path) -> Iterator[Bridge]:
    stand_in = shared_folder / "extractor.py"
    stand_in.write_text(STAND_IN)
    command = ["/usr/bin/python3", str(stand_in)]
    environment = service_environment(slurm, shared_folder, command, BRIDGE_PARSE__MEMORY_MIB="100")
    with running_bridge(shared_folder, environment) as bridge:
        yield bridge


@pytest.fixture(scope="module")
def job_ids(bridge: Bridge, slurm: PrivateSlurm) -> dict[str, str]:
    """The ids of the cases' jobs, all of them under way."""
    ids: dict[str, str] = {}
    for name, case in CASES.items():
        ids[name] = bridge.post("/extractor/run", {**PARSE_BODY, "parser": case.parser}).body["job_id"]
    bridge.wait_for(ids["success"], lambda job: job["explanation"].startswith("waits: its partition is down"))
    for name, case in CASES.items():
        if case.prepared:
            slurm.run(*case.prepared.format(ids[name], **ids).split())
    slurm.run("scontrol", "update", "partitionname=normal", "state=UP")
    for name, case in CASES.items():
        if case.started or name == "put-back":
            bridge.wait_for(ids[name], lambda job: job["state"] == "RUNNING" and job["explanation"] == "is running")
    for name, case in CASES.items():
        if case.started:
            slurm.run(*case.started.format(ids[name]).split())
    return ids


@pytest.mark.parametrize("name", CASES)
def test_what_a_client_sees(bridge: Bridge, job_ids: dict[str, str], name: str) -> None:
    expected = CASES[name].expected
    awaited = {key: expected[key] for key in ("state", "state_reason") if key in expected}
    # Slurm looks for jobs over their time limit every 30 s.
    job = bridge.wait_for(job_ids[name], lambda job: awaited.items() <= job.items(), seconds=45)
    assert {key: job[key] for key in expected} == expected
    assert (job["end_time"] is None) is not job["finished"]
    assert (job["run_seconds"] is None) is (job["start_time"] is None or job["end_time"] is None)


def test_standard_error_tells_of_too_much_memory(bridge: Bridge, job_ids: dict[str, str], shared_folder: Path) -> None:
    bridge.wait_until_finished(job_ids["memory"])
    assert "memory limit" in (shared_folder / "output" / f"parse-{job_ids['memory']}.err").read_text()
