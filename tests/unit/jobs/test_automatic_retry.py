"""Jobs that run again by themselves, as a client meets them, on the in-memory gateway."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from bridge.config.kinds import KindSettings
from bridge.core.deadline import Deadline
from bridge.jobs.failures.automatic import DueJobs
from bridge.jobs.status.job_changes import JobChange
from bridge.jobs.status.job_view import Job
from bridge.slurm.messages import Cancel, Requeue, RequeueOutcome
from tests.support.application import CheckedClient, running_application
from tests.support.memory_gateway import MemoryGateway
from tests.support.samples import PARSE_BODY, QAQC_BODY, bridge_metadata, running_job, settings
from tests.support.waiting import wait_until


class AnsweringGateway(MemoryGateway):
    """Answers as it is told to where jobs are to run again, and writes down what it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.answer: RequeueOutcome | None = None
        self.dies_next = False
        self.asked: list[Requeue] = []

    def requeue(self, jobs: Sequence[Requeue], deadline: Deadline) -> list[RequeueOutcome]:
        """See `Gateway`."""
        self.asked += jobs
        if self.dies_next:
            self.dies_next, self.is_dead = False, True
        return super().requeue(jobs, deadline) if self.answer is None else [self.answer for _ in jobs]


NOT_NOW = RequeueOutcome(is_taken=False)
CAUSES = ["exit_code_75", "node_failure", "out_of_memory", "time_limit"]
TEMPORARY = {"state": "FAILED", "exit_code": 75, "nodes": "n1"}
RUNNING = {"state": "RUNNING", "state_reason": None, "start_time": 1, "nodes": "n1"}


def kind(**changes: Any) -> KindSettings:
    fields = {
        "extractor_command": ("/opt/python", "/opt/main.py"),
        "retry_causes": CAUSES,
        "retry_attempts": 3,
        "retry_memory_max_mib": 4000,
        "retry_time_max_minutes": 600,
    }
    return KindSettings(**{**fields, **changes})


@contextmanager
def running(gateway: AnsweringGateway, *bridges: KindSettings) -> Iterator[list[CheckedClient]]:
    """Clients of bridges with these settings for parse jobs."""
    with ExitStack() as stack:
        of_all = [settings(parse=parse, request_timeout_seconds=2.0) for parse in bridges]
        yield [stack.enter_context(running_application(gateway.of_another_bridge(), one)) for one in of_all]


@pytest.fixture
def gateway() -> AnsweringGateway:
    return AnsweringGateway()


@pytest.fixture
def client(gateway: AnsweringGateway) -> Iterator[CheckedClient]:
    with running_application(gateway, settings(parse=kind(), request_timeout_seconds=2.0)) as client:
        yield client


def submitted(client: CheckedClient) -> str:
    job_id: str = client.simulate_post("/extractor/run", json=PARSE_BODY).json["job_id"]
    return job_id


def job(client: CheckedClient, job_id: str) -> dict[str, Any]:
    found: dict[str, Any] = client.simulate_get(f"/jobs/{job_id}").json
    return found


def wait_for(client: CheckedClient, job_ids: list[str], state: str) -> None:
    wait_until(lambda: all(job(client, job_id)["state"] == state for job_id in job_ids), f"they are {state}")


def end(gateway: AnsweringGateway, job_id: str, **how: Any) -> None:
    gateway.put(job_id, {**TEMPORARY, "end_time": int(time.time()), **how})


def restarts(gateway: AnsweringGateway, job_id: str) -> int:
    found = gateway.find(job_id, Deadline.after(1))
    assert found is not None
    return found.restarts


def test_it_runs_again_until_its_attempts_are_used_up(client: CheckedClient, gateway: AnsweringGateway) -> None:
    job_id = submitted(client)
    assert (job(client, job_id)["attempt"], job(client, job_id)["attempts_max"]) == (1, 3)
    gateway.put(job_id, RUNNING)
    for attempt in (2, 3):
        wait_for(client, [job_id], "RUNNING")
        end(gateway, job_id)
        wait_for(client, [job_id], "PENDING")
        shown = job(client, job_id)
        assert (shown["attempt"], shown["finished"]) == (attempt, False)
        assert shown["explanation"].endswith(f"; attempt {attempt} of 3: exit code 75 on n1")
        gateway.put(job_id, RUNNING)
    end(gateway, job_id)
    wait_until(lambda: job(client, job_id)["finished"], "it has ended")
    shown = job(client, job_id)
    assert (shown["state"], shown["exit_code"], shown["attempt"], shown["restarts"]) == ("FAILED", 75, 3, 2)
    assert shown["explanation"].endswith("attempt 3 of 3: exit code 75 on n1")


@pytest.mark.parametrize(
    "how",
    [
        {"exit_code": 1},
        {"exit_code": 0, "state": "COMPLETED"},
        {"state": "CANCELLED"},
        {"state": "PREEMPTED"},
        {"exit_code": 75, "restarts": 2},
    ],
    ids=["wrong-data", "success", "cancelled", "a-cause-not-set", "no-attempt-left"],
)
def test_what_no_other_run_mends_is_left(client: CheckedClient, gateway: AnsweringGateway, how: dict[str, Any]) -> None:
    job_id, other = submitted(client), submitted(client)
    end(gateway, job_id, **how)
    wait_until(lambda: job(client, job_id)["finished"], "it has ended")
    end(gateway, other)
    wait_until(lambda: restarts(gateway, other), "another one runs again")
    assert restarts(gateway, job_id) == how.get("restarts", 0)


def test_a_kind_without_causes_runs_once(client: CheckedClient, gateway: AnsweringGateway) -> None:
    job_id = client.simulate_post("/qaqc/run", json=QAQC_BODY).json["job_id"]
    end(gateway, job_id)
    wait_until(lambda: job(client, job_id)["finished"], "it has ended")
    assert (job(client, job_id)["attempts_max"], restarts(gateway, job_id)) == (None, 0)


def test_a_job_of_before_the_setting_runs_once(gateway: AnsweringGateway) -> None:
    with running(gateway, kind(retry_causes=[])) as (client,):
        job_id = submitted(client)
    end(gateway, job_id)
    with running(gateway, kind()) as (client,):
        wait_until(lambda: job(client, job_id)["finished"], "it has ended")
    assert restarts(gateway, job_id) == 0


def test_a_bridge_that_is_started_goes_on(gateway: AnsweringGateway) -> None:
    with running(gateway, kind()) as (client,):
        job_id = submitted(client)
    end(gateway, job_id, restarts=1)
    with running(gateway, kind()) as (client,):
        wait_until(lambda: restarts(gateway, job_id) == 2, "it runs again")
        wait_until(lambda: job(client, job_id)["attempt"] == 3, "the bridge sees it")


def test_where_another_bridge_was_faster_nothing_is_due() -> None:
    due = DueJobs()
    ended = Job(running_job(state="FAILED", exit_code=75), bridge_metadata(), runs_again=True)
    due.observe([JobChange(None, ended)])
    assert (due.some(), due.has_any.is_set()) == ([ended], True)
    due.observe([JobChange(ended, Job(running_job(state="PENDING", restarts=1), bridge_metadata()))])
    assert (due.some(), due.has_any.is_set()) == ([], False)


def test_two_bridges_run_it_again_once(gateway: AnsweringGateway) -> None:
    with running(gateway, kind(), kind()) as clients:
        ids = [submitted(clients[0]) for _ in range(20)]
        for job_id in ids:
            end(gateway, job_id)
        wait_until(lambda: all(restarts(gateway, job_id) for job_id in ids), "all run again")
        for client in clients:
            wait_for(client, ids, "PENDING")
    assert {restarts(gateway, job_id) for job_id in ids} == {1}


def test_a_client_that_waits_is_not_told_of_an_end_that_is_none(
    client: CheckedClient, gateway: AnsweringGateway
) -> None:
    job_id = submitted(client)
    gateway.put(job_id, RUNNING)
    wait_until(lambda: job(client, job_id)["state"] == "RUNNING", "it runs")
    gateway.answer = NOT_NOW
    end(gateway, job_id)
    wait_until(lambda: job(client, job_id)["state"] == "FAILED", "its run has ended")
    shown = job(client, job_id)
    assert (shown["finished"], shown["exit_code"]) == (False, None)
    assert shown["explanation"].endswith("runs again: attempt 2 of 3")
    assert client.simulate_get("/failures").json["count"] == 0
    gateway.answer = None
    wait_for(client, [job_id], "PENDING")


def test_where_slurm_refuses_the_job_has_ended(client: CheckedClient, gateway: AnsweringGateway) -> None:
    gateway.answer = RequeueOutcome(is_taken=False, code=2029, message="Requested operation is presently disabled")
    job_id = submitted(client)
    end(gateway, job_id)
    wait_until(lambda: job(client, job_id)["finished"], "it has ended")
    assert client.simulate_get(f"/jobs/{job_id}", params={"wait": 60}).json["state"] == "FAILED"
    assert client.simulate_get("/failures").json["count"] == 1


def test_a_controller_that_was_away_is_asked_again(client: CheckedClient, gateway: AnsweringGateway) -> None:
    job_id = submitted(client)
    gateway.dies_next = True
    end(gateway, job_id)
    wait_until(lambda: gateway.is_dead, "it is to run again")
    gateway.is_dead = False
    wait_until(lambda: restarts(gateway, job_id) == 1, "it runs again")


def test_a_run_that_a_crash_has_forgotten_is_asked_for_again(client: CheckedClient, gateway: AnsweringGateway) -> None:
    """Be it that the bridge has asked by itself, or that a client did."""
    by_itself, by_client = submitted(client), submitted(client)
    before = {job_id: gateway.find(job_id, Deadline.after(1)) for job_id in (by_itself, by_client)}
    end(gateway, by_itself)
    end(gateway, by_client, exit_code=1)
    wait_until(lambda: job(client, by_client)["finished"], "it has ended")
    assert client.simulate_post(f"/jobs/{by_client}/retry").status_code == 202
    wait_for(client, [by_itself, by_client], "PENDING")
    for job_id, found in before.items():
        assert found is not None
        as_before = {"restarts": 0, "submit_time": found.submit_time, "note": None}
        gateway.put(job_id, {"state": "FAILED", "nodes": "n1", **as_before})
    wait_until(lambda: restarts(gateway, by_client) and restarts(gateway, by_itself), "both run again")


@pytest.mark.parametrize("is_cancelled", [False, True], ids=["left", "cancelled"])
def test_a_forgotten_run_of_one_that_had_ended_well(
    client: CheckedClient, gateway: AnsweringGateway, is_cancelled: bool
) -> None:
    """It is asked for again, unless somebody has cancelled it meanwhile."""
    job_id, other = submitted(client), submitted(client)
    before = gateway.find(job_id, Deadline.after(1))
    assert before is not None
    well = {"state": "COMPLETED", "exit_code": 0}
    end(gateway, job_id, **well)
    wait_until(lambda: job(client, job_id)["finished"], "it has ended")
    assert client.simulate_post(f"/jobs/{job_id}/retry").status_code == 202
    if is_cancelled:
        assert client.simulate_delete(f"/jobs/{job_id}").status_code == 202
        wait_for(client, [job_id], "CANCELLED")
    end(gateway, job_id, **well, restarts=0, submit_time=before.submit_time, note=None)
    if not is_cancelled:
        wait_until(lambda: restarts(gateway, job_id), "it runs again")
        return
    wait_for(client, [job_id], "COMPLETED")
    end(gateway, other)
    wait_until(lambda: restarts(gateway, other), "another one runs again")
    assert restarts(gateway, job_id) == 0


def test_a_job_that_is_about_to_run_again_can_be_cancelled(
    client: CheckedClient, gateway: AnsweringGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = submitted(client)
    gateway.answer = NOT_NOW
    end(gateway, job_id)
    wait_until(lambda: job(client, job_id)["state"] == "FAILED", "its run has ended")

    def cancel_later(request: Cancel, deadline: Deadline) -> bool:
        """Slurm has nothing to cancel; the job is in the queue again before anybody looks."""
        is_taken = MemoryGateway.cancel(gateway, request, deadline)
        gateway.answer = None
        wait_until(lambda: restarts(gateway, job_id), "it is in the queue again")
        return is_taken

    monkeypatch.setattr(gateway, "cancel", cancel_later)
    assert client.simulate_delete(f"/jobs/{job_id}").status_code == 202
    wait_until(lambda: job(client, job_id)["finished"], "it has ended")
    assert job(client, job_id)["state"] == "CANCELLED"


@pytest.mark.parametrize(
    ("how", "asked"),
    [
        ({}, {"memory_max_mib": None, "time_max_minutes": None, "pause": None}),
        ({"state": "OUT_OF_MEMORY"}, {"memory_max_mib": 4000, "time_max_minutes": None, "pause": None}),
        ({"state": "TIMEOUT"}, {"memory_max_mib": None, "time_max_minutes": 600, "pause": None}),
        ({"restarts": 1}, {"memory_max_mib": None, "time_max_minutes": None, "pause": 200}),
        ({"restarts": 2}, {"memory_max_mib": None, "time_max_minutes": None, "pause": 300}),
    ],
    ids=["first", "memory", "time", "second", "third"],
)
def test_what_another_run_gets(gateway: AnsweringGateway, how: dict[str, Any], asked: dict[str, Any]) -> None:
    with running(gateway, kind(retry_attempts=9, retry_pause_seconds=100, retry_pause_max_seconds=300)) as (client,):
        job_id = submitted(client)
        before = time.time()
        end(gateway, job_id, **how)
        wait_until(lambda: gateway.asked, "it is to run again")
    request = gateway.asked[0]
    pause = None if request.begin_time is None else round(request.begin_time - before, -1)
    assert {
        "memory_max_mib": request.memory_max_mib,
        "time_max_minutes": request.time_max_minutes,
        "pause": pause,
    } == asked
