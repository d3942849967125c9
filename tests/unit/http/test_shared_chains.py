"""Quality control that several parses of a thing share, as a client meets it, on the in-memory gateway."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from bridge.core.deadline import Deadline
from tests.support.application import running_application
from tests.support.chain_clients import (
    BODY,
    Client,
    InterruptedGateway,
    post,
    running_bridge,
    states,
)
from tests.support.samples import settings
from tests.support.waiting import wait_until


@pytest.fixture
def gateway() -> InterruptedGateway:
    return InterruptedGateway()


@pytest.fixture
def sharing(gateway: InterruptedGateway) -> Iterator[Client]:
    with running_application(gateway, settings(qaqc_coalesce_seconds=60)) as client:
        yield client


def test_parses_of_a_thing_share_one_quality_control(sharing: Client, gateway: InterruptedGateway) -> None:
    sources = [f"https://storage.example/{number}" for number in range(3)]
    answers = [post(sharing, {**BODY, "source": source}, key=source[-1]).json for source in sources]
    ids = [(answer["job_id"], answer["qaqc"]["job_id"]) for answer in answers]
    assert ids == [("1", "2"), ("3", "4"), ("5", "6")]
    assert [gateway.descriptors[job_id].dependency for job_id in "246"] == [
        "afterok:1",
        "afterany:1:3",
        "afterany:1:3:5",
    ]
    (begin_time,) = {gateway.descriptors[job_id].begin_time for job_id in "246"}
    assert begin_time is not None
    assert abs(begin_time - time.time() - 60) < 10
    assert {job_id for job_id, state in states(gateway).items() if state == "CANCELLED"} == {"2", "4"}
    assert gateway.released == {"1", "3", "5"}

    def replaced() -> list[str | None]:
        return [sharing.simulate_get(f"/jobs/{job_id}").json["replaced_by_job_id"] for job_id in "246"]

    wait_until(lambda: replaced() == ["4", "6", None], "a look shows them")
    first, last = (sharing.simulate_get(f"/jobs/{job_id}").json for job_id in "26")
    assert first["explanation"].startswith("was not run: job 4 came instead")
    assert last["after_job_ids"] == ["1", "3", "5"]
    assert post(sharing, {**BODY, "source": sources[0]}, key="0").json["qaqc"]["job_id"] == "2"


def test_accounting_takes_nothing_from_what_is_told_of_a_replaced_job(gateway: InterruptedGateway) -> None:
    gateway.has_accounting = True
    with running_application(gateway, settings(qaqc_coalesce_seconds=60)) as client:
        post(client)
        post(client)
        wait_until(lambda: client.simulate_get("/jobs/2").json["state"] == "CANCELLED", "a look shows it")
        job = client.simulate_get("/jobs/2").json
        assert (job["replaced_by_job_id"], job["explanation"][:24]) == ("4", "was not run: job 4 came ")


@pytest.mark.parametrize("is_copied", [True, False], ids=["copied", "made"])
def test_a_job_of_another_program_is_not_replaced(
    sharing: Client, gateway: InterruptedGateway, is_copied: bool
) -> None:
    post(sharing)
    of_bridge = gateway.descriptors["2"]
    comment = {**json.loads(of_bridge.comment), **({} if is_copied else {"key": "f" * 32})}
    gateway.submit(replace(of_bridge, comment=json.dumps(comment, separators=(",", ":"))), Deadline.after(1))
    post(sharing)
    assert {job_id for job_id, state in states(gateway).items() if state == "CANCELLED"} == {"2"}


def test_quality_control_that_differs_or_no_longer_waits_is_not_shared(
    sharing: Client, gateway: InterruptedGateway
) -> None:
    post(sharing)
    post(sharing, {**BODY, "target": "postgresql://tsm:secret@db.example/other"})
    post(sharing, {**BODY, "thing_uuid": "00000000-0000-4000-8000-000000000001"})
    gateway.put("2", {"state": "RUNNING", "nodes": "n1", "start_time": int(time.time())})
    post(sharing)
    assert "CANCELLED" not in states(gateway).values()
    assert {job.dependency for job in gateway.descriptors.values()} == {None, *(f"afterok:{n}" for n in "1357")}


def test_once_the_time_is_over_a_parse_has_its_own_quality_control(gateway: InterruptedGateway) -> None:
    with running_application(gateway, settings(qaqc_coalesce_seconds=1)) as client:
        post(client)
        time.sleep(1.5)
        post(client)
    assert set(states(gateway).values()) == {"PENDING"}


def test_a_parse_that_runs_again_has_its_data_checked_though_the_job_is_shared(gateway: InterruptedGateway) -> None:
    with running_bridge(gateway, qaqc_coalesce_seconds=60) as client:
        post(client)
        post(client)
        gateway.put("1", {"state": "FAILED", "nodes": "n1", "exit_code": 75, "end_time": int(time.time())})
        wait_until(lambda: client.simulate_get("/jobs/1").json["finished"], "it has ended")
        assert client.simulate_get("/jobs/2").json["replaced_by_job_id"] == "4"
        assert client.simulate_post("/jobs/1/retry").status_code == 202
        wait_until(lambda: gateway.dependencies == {"1": None, "2": "afterok:1"}, "its own one waits for it")


def test_a_shared_job_that_is_lost_follows_what_came_back(gateway: InterruptedGateway) -> None:
    with running_bridge(gateway, qaqc_coalesce_seconds=60) as client:
        post(client)
        post(client)
        gateway.crash()
        wait_until(lambda: len(states(gateway)) == 3, "they are there again", 20)
        new = [gateway.descriptors[job_id] for job_id in states(gateway)]
    assert [job.name for job in new] == ["parse", "parse", "qaqc"]
    assert new[2].dependency == f"afterany:{':'.join(list(states(gateway))[:2])}"


def sharing_batch() -> dict[str, Any]:
    """Five items of two things, one of which nothing is to follow."""
    other = {**BODY, "thing_uuid": "00000000-0000-4000-8000-000000000001"}
    items = [BODY, other, {**BODY, "qaqc": False}, BODY, other]
    return {"items": [{**item, "source": f"https://storage.example/{n}"} for n, item in enumerate(items)]}


@pytest.mark.parametrize("again", [False, True], ids=["once", "again"])
def test_items_of_a_thing_share_one_quality_control(sharing: Client, gateway: InterruptedGateway, again: bool) -> None:
    answers = [post(sharing, sharing_batch(), key="key") for _ in range(1 + again)]
    assert [answer.status_code for answer in answers] == [202, 200][: len(answers)]
    ids = [(job["job_id"], job.get("qaqc", {}).get("job_id")) for job in answers[-1].json["jobs"]]
    assert ids == [("2_0", "3_1"), ("2_2", "3_3"), ("1_0", None), ("2_1", "3_1"), ("2_3", "3_3")]
    qaqc = gateway.descriptors["3"]
    assert (qaqc.dependency, qaqc.indices, qaqc.begin_time) == ("afterany:2", (1, 3), None)
    assert set(qaqc.environment) >= {"TSM_ITEM_1", "TSM_ITEM_3"}
    shown = sharing.simulate_get("/jobs/3_3").json
    assert shown["thing_uuid"] == "00000000-0000-4000-8000-000000000001"
    assert shown["after_job_ids"] == ["2_2", "2_3"]
    assert shown["explanation"] == "waits for parse jobs 2_2 and 2_3"


def test_items_in_order_share_one_quality_control_after_the_last(gateway: InterruptedGateway) -> None:
    with running_application(gateway, settings(qaqc_coalesce_seconds=60, order_per_thing=True)) as client:
        answers = [post(client, sharing_batch(), key="key") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 200]
    for answer in answers:
        ids = [(job["job_id"], job.get("qaqc", {}).get("job_id")) for job in answer.json["jobs"]]
        assert ids == [("1_0", "5_0"), ("2_0", "7_0"), ("3_0", None), ("4_0", "5_0"), ("6_0", "7_0")]
    assert [job.dependency for job in gateway.descriptors.values()] == [*[None] * 4, "afterany:4", None, "afterany:6"]


def test_an_element_that_runs_again_has_its_data_checked_though_the_job_is_shared(gateway: InterruptedGateway) -> None:
    with running_bridge(gateway, qaqc_coalesce_seconds=60) as client:
        post(client, {"items": [BODY, {**BODY, "source": "https://storage.example/other"}]})
        ended = {"nodes": "n1", "end_time": int(time.time())}
        gateway.put("1_0", {"state": "FAILED", "exit_code": 75, **ended})
        gateway.put("2_1", {"state": "COMPLETED", **ended})
        wait_until(lambda: client.simulate_get("/jobs/1_0").json["finished"], "it has ended")
        assert client.simulate_post("/jobs/1_0/retry").status_code == 202
        wait_until(lambda: gateway.dependencies.get("2_1") == "afterok:1_0", "the shared one waits for it")


def test_a_shared_job_that_runs_while_an_element_comes_again_runs_once_more_after_it(
    gateway: InterruptedGateway,
) -> None:
    with running_bridge(gateway, qaqc_coalesce_seconds=60) as client:
        post(client, {"items": [BODY, {**BODY, "source": "https://storage.example/other"}]})
        now = int(time.time())
        gateway.put("1_0", {"state": "FAILED", "exit_code": 75, "nodes": "n1", "end_time": now})
        gateway.put("2_1", {"state": "RUNNING", "nodes": "n1", "start_time": now})
        wait_until(lambda: client.simulate_get("/jobs/1_0").json["finished"], "it has ended")
        assert client.simulate_post("/jobs/1_0/retry").status_code == 202
        time.sleep(1)  # the recovery sees the chain
        gateway.put("2_1", {"state": "COMPLETED", "end_time": now + 1})
        wait_until(lambda: gateway.dependencies.get("2_1") == "afterok:1_0", "the shared one waits for it", 20)
        gateway.put("1_0", {"state": "COMPLETED", "nodes": "n1", "end_time": now + 5})
        gateway.put("2_1", {"state": "RUNNING", "nodes": "n1", "start_time": now + 6})
        wait_until(lambda: client.simulate_get("/jobs/2_1").json["state"] == "RUNNING", "a look shows both")
        gateway.put("2_1", {"state": "COMPLETED", "end_time": now + 7})
        time.sleep(3)
        assert client.simulate_get("/jobs/2_1").json["state"] == "COMPLETED"
