"""For which cause a job ended badly."""

from typing import Any

import pytest

from bridge.jobs.failures.causes import CAUSE, cause_of
from bridge.jobs.status.explanations import STATES
from bridge.slurm.states import FINISHED_STATES
from tests.support.samples import running_job


@pytest.mark.parametrize(
    ("ended", "cause"),
    [
        ({"state": "FAILED", "exit_code": 75}, "exit_code_75"),
        ({"state": "FAILED", "exit_code": 255, "state_reason": "NonZeroExitCode"}, "exit_code_255"),
        ({"state": "FAILED", "signal": 9, "state_reason": "RaisedSignal:9(Killed)"}, "signal_9"),
        ({"state": "FAILED", "signal": 53}, "launch_failure"),
        ({"state": "FAILED", "exit_code": 1, "state_reason": "JobLaunchFailure"}, "launch_failure"),
        ({"state": "FAILED", "exit_code": 1, "state_reason": "OutOfMemory"}, "out_of_memory"),
        ({"state": "FAILED", "exit_code": 1, "state_reason": "NodeDown"}, "node_failure"),
        ({"state": "FAILED", "exit_code": 1, "nodes": None}, "other"),
        ({"state": "FAILED"}, "other"),
        ({"state": "NODE_FAIL", "exit_code": 1}, "node_failure"),
        ({"state": "OUT_OF_MEMORY", "signal": 9}, "out_of_memory"),
        ({"state": "TIMEOUT"}, "time_limit"),
        ({"state": "CANCELLED"}, "cancelled"),
        ({"state": "CANCELLED", "nodes": None, "state_reason": "DependencyNeverSatisfied"}, "dependency"),
    ],
)
def test_a_cause_is_one_word(ended: dict[str, Any], cause: str) -> None:
    assert cause_of(running_job(**ended)) == cause
    assert CAUSE.fullmatch(cause)


def test_each_bad_end_has_a_cause_and_nothing_else_has() -> None:
    caused = {state for state in STATES if cause_of(running_job(state=state))}
    assert caused - FINISHED_STATES <= {"LAUNCH_FAILED", "RECONFIG_FAIL"}
    assert FINISHED_STATES - caused == {"COMPLETED", "REVOKED"}
