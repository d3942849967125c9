"""A controller that crashes has forgotten what it was asked to cancel a moment ago, on the in-memory gateway."""

import time
from typing import Any

import pytest

from bridge.core.deadline import Deadline
from tests.support.chain_clients import Client, post, running_bridge, states
from tests.support.memory_gateway import MemoryGateway
from tests.support.samples import PARSE_BODY
from tests.support.waiting import wait_until

RUNNING = {"state": "RUNNING", "nodes": "n1", "start_time": 1, "end_time": None}


@pytest.fixture
def gateway() -> MemoryGateway:
    return MemoryGateway()


def cancel(client: Client, gateway: MemoryGateway, *job_ids: str) -> None:
    for job_id in job_ids:
        assert client.simulate_delete(f"/jobs/{job_id}").status_code == 202
    assert are_cancelled(gateway, *job_ids)


def are_cancelled(gateway: MemoryGateway, *job_ids: str) -> bool:
    """By the controller's own word."""
    jobs = [gateway.find(job_id, Deadline.after(1)) for job_id in job_ids]
    return {job and job.state for job in jobs} == {"CANCELLED"}


@pytest.mark.parametrize("body", [PARSE_BODY, {"items": [PARSE_BODY] * 2}], ids=["job", "elements"])
def test_a_job_that_was_cancelled_is_cancelled_again(gateway: MemoryGateway, body: Any) -> None:
    job_ids = ("1",) if body is PARSE_BODY else ("1_0", "1_1")
    with running_bridge(gateway) as client:
        post(client, body)
        cancel(client, gateway, *job_ids)
        for job_id in job_ids:
            gateway.put(job_id, RUNNING)
        gateway.restart()
        wait_until(lambda: are_cancelled(gateway, *job_ids), "they are cancelled again", 20)
    assert list(gateway.descriptors) == ["1"]


def test_one_that_runs_again_since_is_not(gateway: MemoryGateway) -> None:
    with running_bridge(gateway) as client:
        post(client, PARSE_BODY)
        cancel(client, gateway, "1")
        wait_until(lambda: client.simulate_get("/jobs/1").json["finished"], "the bridge sees it")
        assert client.simulate_post("/jobs/1/retry").status_code == 202
        gateway.restart()
        time.sleep(3)
        assert states(gateway) == {"1": "PENDING"}


def test_where_the_controller_does_not_crash_an_administrators_doing_stays(gateway: MemoryGateway) -> None:
    with running_bridge(gateway) as client:
        post(client, PARSE_BODY)
        cancel(client, gateway, "1")
        gateway.put("1", RUNNING)
        time.sleep(3)
        assert states(gateway) == {"1": "RUNNING"}
