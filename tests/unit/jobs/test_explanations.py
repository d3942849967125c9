"""What a client is told of a job, in every way it can stand."""

from typing import Any

import pytest
from msgspec.structs import replace

from bridge.jobs.status.explanations import explain
from bridge.slurm.worker.pyslurm_patches import exit_code_and_signal
from tests.support.samples import running_job

RAN = running_job()


@pytest.mark.parametrize(
    ("reason", "explanation"),
    [
        pytest.param(None, "waits for its turn to be scheduled", id="none"),
        pytest.param("Resources", "waits for free nodes, CPUs or memory", id="resources"),
        pytest.param(
            "ReqNodeNotAvail, UnavailableNodes:n1", "waits: a node that it needs is not available", id="with-detail"
        ),
        pytest.param(
            "ReqNodeNotAvail, Reserved for maintenance",
            "waits: a node that it needs is reserved for maintenance",
            id="with-a-detail-that-counts",
        ),
        pytest.param(
            "Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions",
            "waits: its nodes are down, drained or reserved for jobs of higher priority",
            id="slurms-own-words",
        ),
        pytest.param("InvalidQOS", "waits: its user may not use its QOS", id="of-failures-too"),
        pytest.param("AssocGrpCPUMinutesLimit", "waits: its account has not enough CPU minutes left", id="minutes"),
        pytest.param(
            "QOSMaxMemoryPerUser",
            "waits: with it, the running jobs of its user would use more memory than its QOS allows",
            id="per-user",
        ),
        pytest.param(
            "MaxGRESRunMinsPerAccount",
            "waits: with it, the running jobs of its account would need more minutes of generic resources than its QOS",
            id="per-account",
        ),
        pytest.param(
            "QOSMaxNodePerJobLimit", "cannot start: it asks for more nodes than its QOS allows a job", id="per-job"
        ),
        pytest.param(
            "AssocMaxLicenseMinutesPerJob",
            "cannot start: by its time limit it asks for more licence minutes than its account allows a job",
            id="minutes-per-job",
        ),
        pytest.param("QOSMinCpuNotSatisfied", "cannot start: its QOS requires it to ask for more CPUs", id="minimum"),
        pytest.param("AssocMaxJobsLimit", "waits: its user runs as many jobs as its account allows", id="jobs"),
        pytest.param(
            "QOSGrpSubmitJobsLimit", "waits: its QOS has as many jobs waiting and running as it may", id="all"
        ),
        pytest.param("QOSGrpWallLimit", "waits: its QOS has not enough run time left", id="run-time"),
        pytest.param("Brandnew", "waits; Slurm's reason is Brandnew", id="of-a-later-slurm"),
    ],
)
def test_why_a_job_waits(reason: str | None, explanation: str) -> None:
    assert explain(replace(RAN, state="PENDING", state_reason=reason, nodes=None)).startswith(explanation)


@pytest.mark.parametrize(
    ("changes", "explanation"),
    [
        pytest.param({"exit_code": 3}, "failed with exit code 3: its standard error says why", id="exit-3"),
        pytest.param({"exit_code": 127}, "failed with exit code 127, which a shell gives for a command that", id="127"),
        pytest.param(
            {"exit_code": 139},
            "failed with exit code 139, which a shell gives for signal 11, SIGSEGV (Segmentation fault): its standard",
            id="139",
        ),
        pytest.param({"exit_code": 128}, "failed with exit code 128: ", id="128-is-no-signal"),
        pytest.param({"exit_code": 193}, "failed with exit code 193: ", id="193-is-no-signal"),
        pytest.param({"signal": 11}, "was ended by signal 11, SIGSEGV (Segmentation fault)", id="signal"),
        pytest.param(
            {"signal": 9}, "was ended by signal 9, SIGKILL (Killed), most often for using too much", id="kill"
        ),
        pytest.param({"signal": 40}, "was ended by signal 40", id="a-signal-without-a-name"),
        pytest.param(
            {"signal": 53, "state_reason": "RaisedSignal:53(Real-time signal 19)"},
            "failed: its node could not start it; check that output_folder is there",
            id="no-output-folder",
        ),
        pytest.param(
            {"signal": 1, "state_reason": "SystemFailure"}, "failed: Slurm itself failed", id="slurm-ended-its-run"
        ),
        pytest.param(
            {"signal": 1, "state_reason": "BadConstraints", "nodes": None},
            "failed: no node of its partition has what it asks for",
            id="never-ran",
        ),
        pytest.param(
            {"exit_code": 3, "state_reason": "PartitionDown"}, "failed with exit code 3", id="it-had-waited-for-that"
        ),
        pytest.param({}, "failed; Slurm gives no reason", id="no-reason"),
        pytest.param({"state_reason": "Brandnew"}, "failed; Slurm's reason is Brandnew", id="of-a-later-slurm"),
    ],
)
def test_why_a_job_failed(changes: dict[str, Any], explanation: str) -> None:
    assert explain(replace(RAN, state="FAILED", **changes)).startswith(explanation)


@pytest.mark.parametrize(
    ("changes", "explanation"),
    [
        pytest.param({"state": "RUNNING"}, "is running", id="running"),
        pytest.param({"state": "COMPLETED"}, "finished normally", id="completed"),
        pytest.param({"state": "TIMEOUT", "signal": 15}, "was ended at its time limit", id="timeout"),
        pytest.param({"state": "OUT_OF_MEMORY"}, "was ended for using more memory than it may", id="memory"),
        pytest.param({"state": "NODE_FAIL", "signal": 1}, "failed because its node went down", id="node"),
        pytest.param({"state": "DEADLINE"}, "was ended at its deadline", id="deadline"),
        pytest.param(
            {"state": "DEADLINE", "nodes": None}, "never ran: it could not have ended before its deadline", id="no-run"
        ),
        pytest.param({"state": "CANCELLED"}, "was cancelled while it ran", id="cancelled-running"),
        pytest.param({"state": "CANCELLED", "nodes": None}, "was cancelled while it waited", id="cancelled-waiting"),
        pytest.param(
            {"state": "CANCELLED", "nodes": None, "state_reason": "JobHeldUser", "cancelled_by": "jane"},
            "was cancelled while it waited, by jane",
            id="cancelled-by",
        ),
        pytest.param(
            {"state": "CANCELLED", "nodes": None, "state_reason": "DependencyNeverSatisfied"},
            "was cancelled while it waited: the job it depends on did not end as it had to",
            id="cancelled-in-vain",
        ),
        pytest.param(
            {"state": "PENDING", "nodes": None, "state_reason": "BeginTime"},
            "waits for its earliest start time",
            id="later",
        ),
        pytest.param(
            {"state": "PENDING", "nodes": None, "state_reason": "BeginTime", "restarts": 1},
            "was put back into the queue and runs again after a pause, of two minutes by Slurm's default",
            id="again",
        ),
        pytest.param(
            {"state": "PENDING", "nodes": None, "state_reason": "NonZeroExitCode", "restarts": 1},
            "was put back into the queue and will run again",
            id="again-a-moment-ago",
        ),
        pytest.param(
            {"state": "FAILED", "exit_code": 75},
            "failed with exit code 75, which says that it may succeed if it runs again: its standard error says why",
            id="passing-fault",
        ),
        pytest.param({"state": "NEW_STATE"}, "is in Slurm's state NEW_STATE", id="of-a-later-slurm"),
    ],
)
def test_how_a_job_stands(changes: dict[str, Any], explanation: str) -> None:
    assert explain(replace(RAN, **changes)) == explanation


@pytest.mark.parametrize(
    ("wait_status", "expected"),
    [
        pytest.param(0, (0, 0), id="success"),
        pytest.param(3 << 8, (3, 0), id="exit-3"),
        pytest.param(128 << 8, (128, 0), id="exit-128"),
        pytest.param(255 << 8, (255, 0), id="exit-255"),
        pytest.param(11, (0, 11), id="signal"),
        pytest.param(11 | 128, (0, 11), id="signal-and-core"),
        pytest.param(0xFFFFFFFE, (0, 0), id="unknown"),
    ],
)
def test_exit_codes_and_signals(wait_status: int, expected: tuple[int, int]) -> None:
    assert exit_code_and_signal(wait_status) == expected
