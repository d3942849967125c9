"""How a job looks to a client, in every way it can stand."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from bridge.comments import JobComment
from bridge.explanations import explain
from bridge.representations import job_document
from bridge.slurm.messages import JobSnapshot
from tests.support.samples import THING

COMMENT = JobComment("parse", UUID(THING), "request-1", "key-1", "digest-1")
NOW = datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC)
RUNNING = JobSnapshot(
    job_id="17",
    comment=COMMENT.to_json(),
    state="RUNNING",
    state_reason=None,
    exit_code=0,
    signal=0,
    submit_time=1_767_323_040,
    start_time=1_767_323_042,
    end_time=1_767_326_642,
    nodes="n1",
    partition="normal",
    restarts=1,
)


def document(**changes: Any) -> dict[str, Any]:
    return job_document(replace(RUNNING, **changes), COMMENT, NOW)


def test_a_running_job() -> None:
    assert document() == {
        "job_id": "17",
        "kind": "parse",
        "thing_uuid": THING,
        "request_id": "request-1",
        "state": "RUNNING",
        "state_reason": None,
        "finished": False,
        "succeeded": False,
        "exit_code": None,
        "signal": None,
        "submit_time": "2026-01-02T03:04:00Z",
        "start_time": "2026-01-02T03:04:02Z",
        "end_time": None,
        "queue_seconds": 2,
        "run_seconds": None,
        "nodes": "n1",
        "partition": "normal",
        "restarts": 1,
        "explanation": "is running",
        "source": "controller",
        "as_of": "2026-01-02T03:04:05.678Z",
        "href": "/jobs/17",
    }


def test_a_waiting_job_has_no_start_even_where_slurm_expects_one() -> None:
    job = document(state="PENDING", state_reason="Priority", nodes=None)
    assert (job["start_time"], job["queue_seconds"], job["state_reason"]) == (None, None, "Priority")


def test_a_job_cancelled_while_it_waited_has_not_run() -> None:
    job = document(state="CANCELLED", nodes=None, end_time=1_767_323_042)
    assert (job["start_time"], job["run_seconds"], job["finished"]) == (None, None, True)


def test_a_job_ended_by_a_signal_has_no_exit_code() -> None:
    job = document(state="FAILED", signal=11)
    assert (job["exit_code"], job["signal"]) == (None, 11)


def test_a_finished_job() -> None:
    job = document(state="COMPLETED", end_time=1_767_323_050)
    assert (job["finished"], job["succeeded"], job["exit_code"], job["signal"]) == (True, True, 0, None)
    assert (job["end_time"], job["run_seconds"]) == ("2026-01-02T03:04:10Z", 8)


@pytest.mark.parametrize(
    ("changes", "explanation"),
    [
        pytest.param({"state": "PENDING"}, "waits for its turn to be scheduled", id="pending"),
        pytest.param({"state": "PENDING", "state_reason": "Resources"}, "waits for free nodes, CPUs", id="resources"),
        pytest.param(
            {"state": "PENDING", "state_reason": "ReqNodeNotAvail, UnavailableNodes:n1"},
            "waits: a node that it needs is not available",
            id="reason-with-detail",
        ),
        pytest.param({"state": "PENDING", "state_reason": "Brandnew"}, "Slurm's reason is Brandnew", id="new-reason"),
        pytest.param({"state": "COMPLETED"}, "finished normally", id="completed"),
        pytest.param({"state": "FAILED", "exit_code": 3}, "failed with exit code 3", id="exit-3"),
        pytest.param({"state": "FAILED", "signal": 11}, "signal 11 (Segmentation fault)", id="segv"),
        pytest.param({"state": "TIMEOUT"}, "was ended at its time limit", id="timeout"),
        pytest.param({"state": "OUT_OF_MEMORY"}, "more memory than it may", id="memory"),
        pytest.param({"state": "NODE_FAIL"}, "its node went down", id="node"),
        pytest.param({"state": "CANCELLED"}, "was cancelled while it ran", id="cancelled-running"),
        pytest.param({"state": "CANCELLED", "nodes": None}, "was cancelled while it waited", id="cancelled-pending"),
        pytest.param(
            {"state": "FAILED", "signal": 53, "state_reason": "RaisedSignal:53(Real-time signal 19)"},
            "could not be started on its node: check that output_folder is there",
            id="no-output-folder",
        ),
        pytest.param({"state": "NEW_STATE"}, "is in Slurm's state NEW_STATE", id="new-state"),
    ],
)
def test_explanations(changes: dict[str, Any], explanation: str) -> None:
    assert explanation in explain(replace(RUNNING, **changes))


@pytest.mark.parametrize(
    "text",
    ["", "mine", "17", "[]", "null", '{"kind":"parse"}', '{"kind":"parse","thing":"x","req":"r"}'],
    ids=["none", "text", "number", "list", "null", "half", "no-uuid"],
)
def test_comments_of_others(text: str) -> None:
    assert JobComment.from_json(text) is None


def test_comments_come_back() -> None:
    text = f'{{"kind":"parse","thing":"{THING}","req":"request-1","key":"key-1","dig":"digest-1"}}'
    assert COMMENT.to_json() == text
    assert JobComment.from_json(COMMENT.to_json()) == COMMENT
