"""The log tells the story: one line for what went wrong, and silence where all is well."""

import logging
import time
from collections.abc import Iterator
from typing import Any

import falcon.testing
import pytest

from tests.support.application import running_application
from tests.support.memory_gateway import MemoryGateway
from tests.support.samples import QAQC_BODY, THING, settings
from tests.support.waiting import wait_until

Client = falcon.testing.TestClient
FAILED = {"state": "FAILED", "nodes": "n1", "exit_code": 3}


@pytest.fixture
def gateway() -> MemoryGateway:
    return MemoryGateway()


@pytest.fixture
def client(gateway: MemoryGateway, caplog: pytest.LogCaptureFixture) -> Iterator[Client]:
    caplog.set_level(logging.INFO)
    with running_application(gateway, settings()) as client:
        yield client


def submit(client: Client) -> str:
    answer = client.simulate_post("/qaqc/run", json=QAQC_BODY, headers={"X-Request-ID": "the-request"})
    return str(answer.json["job_id"])


def end(client: Client, gateway: MemoryGateway, job_id: str, **fields: Any) -> None:
    gateway.put(job_id, {"end_time": int(time.time()), **fields})
    wait_until(lambda: client.simulate_get(f"/jobs/{job_id}").json["state"] == fields["state"], "the end is seen")


def story(caplog: pytest.LogCaptureFixture, level: int = logging.WARNING) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.levelno >= level and record.message != "request"]


def test_silence_means_health(client: Client, gateway: MemoryGateway, caplog: pytest.LogCaptureFixture) -> None:
    job_id = submit(client)
    end(client, gateway, job_id, state="COMPLETED", nodes="n1")
    gateway.tell_all_again()
    gateway.forget(job_id)
    wait_until(lambda: client.simulate_get(f"/jobs/{job_id}").json["source"] == "memory", "it is forgotten")
    assert story(caplog, logging.INFO) == []


def test_a_job_that_fails_is_one_line(client: Client, gateway: MemoryGateway, caplog: pytest.LogCaptureFixture) -> None:
    job_id = submit(client)
    end(client, gateway, job_id, **FAILED)
    gateway.tell_all_again()
    end(client, gateway, submit(client), state="COMPLETED", nodes="n1")
    (record,) = story(caplog)
    fields = vars(record)
    assert record.message == "a job did not end well"
    assert fields["explanation"] == "failed with exit code 3: its standard error says why"
    assert [str(fields[name]) for name in ("job_id", "kind", "thing_uuid", "state", "request_id")] == [
        job_id,
        "qaqc",
        THING,
        "FAILED",
        "the-request",
    ]


def test_a_job_that_is_cancelled_is_no_warning(
    client: Client, gateway: MemoryGateway, caplog: pytest.LogCaptureFixture
) -> None:
    end(client, gateway, submit(client), state="CANCELLED")
    assert story(caplog) == []
    assert [vars(record)["state"] for record in story(caplog, logging.INFO)] == ["CANCELLED"]


def test_an_end_that_was_not_seen(client: Client, gateway: MemoryGateway, caplog: pytest.LogCaptureFixture) -> None:
    job_id = submit(client)
    wait_until(lambda: client.simulate_get(f"/jobs/{job_id}").json["partition"], "it is in the queue")
    gateway.forget(job_id)
    wait_until(lambda: story(caplog), "it is told of")
    assert [record.message for record in story(caplog)] == ["a job left the queue, and how it ended was not seen"]


def test_a_controller_that_stops_and_starts_is_one_line_each(
    client: Client, gateway: MemoryGateway, caplog: pytest.LogCaptureFixture
) -> None:
    for times in (1, 2):
        gateway.is_dead = True
        wait_until(lambda: client.simulate_get("/jobs").headers.get("Warning"), "its silence is seen")
        gateway.is_dead = False
        wait_until(lambda: not client.simulate_get("/jobs").headers.get("Warning"), "it is back")
        assert len(story(caplog)) == 2 * times
    lines = [(record.levelname, record.message) for record in story(caplog)]
    silence = ("WARNING", "the controller does not answer, what is told of jobs is old")
    assert lines == [silence, ("WARNING", "the controller answers again")] * 2
    assert "Unable to contact slurm controller" in vars(story(caplog)[0])["detail"]
