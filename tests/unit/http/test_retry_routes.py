"""Running a job again, as a client meets it, on the in-memory gateway."""

import time
from collections.abc import Iterator

import falcon.testing
import pytest

from bridge.core.deadline import Deadline
from bridge.slurm.messages import Requeue
from bridge.slurm.states import REQUEUED_AND_HELD
from tests.support.application import running_application
from tests.support.memory_gateway import MemoryGateway
from tests.support.samples import OUTPUT_FOLDER, PARSE_BODY, descriptor, settings
from tests.support.waiting import wait_until

Client = falcon.testing.TestClient
FAILED = {"state": "FAILED", "exit_code": 75, "end_time": int(time.time()), "nodes": "n1"}


@pytest.fixture
def gateway() -> MemoryGateway:
    return MemoryGateway()


@pytest.fixture
def client(gateway: MemoryGateway) -> Iterator[Client]:
    with running_application(gateway, settings(request_timeout_seconds=2.0)) as client:
        yield client


def finished_job(client: Client, gateway: MemoryGateway, path: str = "/extractor/run") -> str:
    """The id of a job, or of an element of an array, that has failed."""
    body = PARSE_BODY if path.endswith("run") else {"items": [PARSE_BODY, PARSE_BODY]}
    answer = client.simulate_post(path, json=body)
    job_id: str = answer.json["job_id"] if path.endswith("run") else answer.json["jobs"][1]["job_id"]
    gateway.put(job_id, FAILED)
    wait_until(lambda: client.simulate_get(f"/jobs/{job_id}").json["finished"], "it has ended")
    return job_id


@pytest.mark.parametrize("path", ["/extractor/run", "/extractor/batch"], ids=["job", "element"])
def test_a_job_that_has_ended_runs_again(client: Client, gateway: MemoryGateway, path: str) -> None:
    job_id = finished_job(client, gateway, path)
    answer = client.simulate_post(f"/jobs/{job_id}/retry")
    assert answer.status_code == 202
    shown = answer.json
    assert (shown["job_id"], shown["state"], shown["finished"], shown["restarts"]) == (job_id, "PENDING", False, 1)
    assert (shown["exit_code"], shown["end_time"]) == (None, None)


def test_asked_again_it_is_not_run_twice(client: Client, gateway: MemoryGateway) -> None:
    job_id = finished_job(client, gateway)
    answers = [client.simulate_post(f"/jobs/{job_id}/retry") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 409]
    assert answers[1].json["type"] == "urn:tsm-slurm-bridge:cannot-retry"
    assert client.simulate_get(f"/jobs/{job_id}").json["restarts"] == 1


def hold(client: Client, gateway: MemoryGateway, reason: str) -> str:
    """The id of a job that runs again, and is held then."""
    job_id = finished_job(client, gateway)
    assert client.simulate_post(f"/jobs/{job_id}/retry").status_code == 202
    gateway.put(job_id, {"state_reason": reason})
    wait_until(
        lambda: "is held" in client.simulate_get(f"/jobs/{job_id}").json["explanation"],
        "the bridge sees that it is held",
    )
    return job_id


def test_one_that_was_left_held_is_let_begin(gateway: MemoryGateway) -> None:
    """As a worker, or the controller, has ended between Slurm's requeue and the change of the job."""
    with running_application(gateway, settings(order_per_thing=True)) as client:
        job_id = hold(client, gateway, REQUEUED_AND_HELD)
        answers = [client.simulate_post(f"/jobs/{job_id}/retry") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 409]
    assert (answers[0].json["state"], answers[0].json["restarts"]) == ("PENDING", 1)


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("JobHeldAdmin", "it is held by an administrator, who has to release it"),
        (REQUEUED_AND_HELD, "it is held: it was put back into the queue to wait there; release it"),
    ],
    ids=["hold", "requeuehold"],
)
def test_one_that_an_administrator_holds_stays_held(
    client: Client, gateway: MemoryGateway, reason: str, said: str
) -> None:
    job_id = hold(client, gateway, reason)
    answer = client.simulate_post(f"/jobs/{job_id}/retry")
    assert (answer.status_code, said in answer.json["detail"]) == (409, True)
    assert client.simulate_get(f"/jobs/{job_id}").json["state_reason"] == reason


def test_another_bridge_that_was_faster_is_left_alone(client: Client, gateway: MemoryGateway) -> None:
    job_id = finished_job(client, gateway)
    job = gateway.find(job_id, Deadline.after(1))
    assert job is not None
    request = Requeue(job_id, job.comment, job.submit_time)
    assert [outcome.is_taken for outcome in gateway.requeue([request], Deadline.after(1))] == [True]
    gateway.put(job_id, {**FAILED, "submit_time": int(time.time()) + 60})  # and has failed again
    assert [outcome.is_taken for outcome in gateway.requeue([request], Deadline.after(1))] == [False]


@pytest.mark.parametrize("state", ["PENDING", "RUNNING"])
def test_a_job_that_has_not_ended_is_left_as_it_is(client: Client, gateway: MemoryGateway, state: str) -> None:
    job_id = client.simulate_post("/extractor/run", json=PARSE_BODY).json["job_id"]
    gateway.put(job_id, {"state": state})
    wait_until(lambda: client.simulate_get(f"/jobs/{job_id}").json["state"] == state, "the bridge sees it")
    answer = client.simulate_post(f"/jobs/{job_id}/retry")
    assert (answer.status_code, state in answer.json["detail"]) == (409, True)


def test_a_job_that_slurm_has_forgotten_is_to_be_submitted_again(client: Client, gateway: MemoryGateway) -> None:
    job_id = finished_job(client, gateway)
    gateway.forget(job_id)
    wait_until(lambda: client.simulate_get(f"/jobs/{job_id}").json["source"] == "memory", "Slurm has forgotten it")
    answer = client.simulate_post(f"/jobs/{job_id}/retry")
    assert (answer.status_code, answer.json["type"]) == (409, "urn:tsm-slurm-bridge:cannot-retry")
    assert "submit the request again" in answer.json["detail"]


def test_jobs_of_others_are_not_run_again(client: Client, gateway: MemoryGateway) -> None:
    job_id = gateway.submit(descriptor(OUTPUT_FOLDER, comment="my own job"), Deadline.after(1))
    gateway.put(job_id, FAILED)
    assert client.simulate_post(f"/jobs/{job_id}/retry").status_code == 404


def test_a_controller_that_does_not_answer(client: Client, gateway: MemoryGateway) -> None:
    job_id = finished_job(client, gateway)
    gateway.is_dead = True
    answer = client.simulate_post(f"/jobs/{job_id}/retry")
    assert (answer.status_code, answer.json["retryable"]) == (503, True)
