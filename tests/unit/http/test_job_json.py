"""How a job looks to a client, in every way it can stand."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from msgspec import structs

from bridge.http.documents.job_json import job_document
from bridge.jobs.requests.metadata import JobMetadata
from bridge.jobs.status.job_view import Job, JobView, Origin
from tests.support.samples import THING, running_job

COMMENT = JobMetadata("parse", UUID(THING), "request-1", "key-1", "digest-1")
NOW = datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC)
RUNNING = running_job(comment=COMMENT.to_json(), restarts=1)


def document(**changes: Any) -> dict[str, Any]:
    job = Job(structs.replace(RUNNING, **changes), COMMENT)
    shown: dict[str, Any] = json.loads(job_document(JobView(job, Origin.CONTROLLER, NOW.timestamp())))
    return shown


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
        "expected_start_time": None,
        "time_limit_seconds": None,
        "queue_seconds": 2,
        "run_seconds": None,
        "cpu_seconds": None,
        "max_memory_bytes": None,
        "nodes": "n1",
        "partition": "normal",
        "restarts": 1,
        "attempt": 2,
        "attempts_max": None,
        "array_job_id": None,
        "lane": "live",
        "caller": None,
        "after_job_ids": [],
        "replaced_by_job_id": None,
        "explanation": "is running",
        "source": "controller",
        "as_of": "2026-01-02T03:04:05.678Z",
        "href": "/jobs/17",
        "stdout_href": "/jobs/17/stdout",
        "stderr_href": "/jobs/17/stderr",
    }


def test_a_waiting_job_has_no_start_even_where_slurm_expects_one() -> None:
    job = document(state="PENDING", state_reason="Priority", nodes=None)
    assert (job["start_time"], job["queue_seconds"], job["state_reason"]) == (None, None, "Priority")


def test_a_waiting_job_has_the_start_that_slurm_expects_and_a_time_limit() -> None:
    waiting = document(state="PENDING", nodes=None, time_limit_minutes=5)
    assert (waiting["expected_start_time"], waiting["time_limit_seconds"]) == ("2026-01-02T03:04:02Z", 300)
    assert document(state="PENDING", nodes=None, start_time=None)["expected_start_time"] is None


def test_a_job_cancelled_while_it_waited_has_not_run() -> None:
    job = document(state="CANCELLED", nodes=None, end_time=1_767_323_042)
    assert (job["start_time"], job["run_seconds"], job["finished"]) == (None, None, True)


def test_a_job_ended_by_a_signal_has_no_exit_code() -> None:
    job = document(state="FAILED", signal=11)
    assert (job["exit_code"], job["signal"]) == (None, 11)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"state": "NODE_FAIL", "signal": 1}, id="node-failed"),
        pytest.param({"state": "BOOT_FAIL", "signal": 1}, id="node-did-not-boot"),
        pytest.param({"state": "DEADLINE", "signal": 1, "nodes": None}, id="deadline-while-it-waited"),
        pytest.param({"state": "CANCELLED", "nodes": None}, id="cancelled-while-it-waited"),
    ],
)
def test_a_job_whose_process_did_not_end_has_neither_exit_code_nor_signal(changes: dict[str, Any]) -> None:
    job = document(**changes)
    assert (job["exit_code"], job["signal"]) == (None, None)


def test_a_finished_job() -> None:
    job = document(state="COMPLETED", end_time=1_767_323_050)
    assert (job["finished"], job["succeeded"], job["exit_code"], job["signal"]) == (True, True, 0, None)
    assert (job["end_time"], job["run_seconds"]) == ("2026-01-02T03:04:10Z", 8)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="none"),
        pytest.param("mine", id="text"),
        pytest.param("17", id="number"),
        pytest.param("[]", id="list"),
        pytest.param("null", id="null"),
        pytest.param('{"kind":"parse"}', id="half"),
        pytest.param('{"kind":"parse","thing":"x","req":"r","key":"k","dig":"d"}', id="no-uuid"),
        pytest.param(COMMENT.to_json().replace("parse", r"\ud800"), id="lone-surrogate-in-kind"),
        pytest.param(COMMENT.to_json().replace("request-1", r"\ud800"), id="lone-surrogate-in-request-id"),
        pytest.param(COMMENT.to_json().replace("key-1", r"key-1\n"), id="line-end-in-key"),
        pytest.param(COMMENT.to_json().replace("digest-1", "x" * 65), id="long-digest"),
        pytest.param(COMMENT.to_json()[:-1] + ',"by":"a b"}', id="no-caller"),
        pytest.param(COMMENT.to_json().replace('"parse"', "[" * 20_000 + "]" * 20_000), id="deep"),
    ],
)
def test_comments_of_others(text: str) -> None:
    assert JobMetadata.from_json(text) is None


def test_comments_come_back() -> None:
    text = f'{{"kind":"parse","thing":"{THING}","req":"request-1","key":"key-1","dig":"digest-1"}}'
    assert COMMENT.to_json() == text
    assert JobMetadata.from_json(COMMENT.to_json()) == COMMENT


def test_a_comment_names_the_caller_where_there_is_one() -> None:
    comment = structs.replace(COMMENT, by="dispatcher@tsm")
    assert comment.to_json() == COMMENT.to_json().removesuffix("}") + ',"by":"dispatcher@tsm"}'
    assert JobMetadata.from_json(comment.to_json()) == comment
