"""Batches as a client meets them, on the in-memory gateway."""

import json
from collections.abc import Iterator
from typing import Any

import falcon.testing
import pytest

from bridge.core.deadline import Deadline
from bridge.core.errors import BridgeError
from bridge.slurm.errors import outcome_unknown, submission_error
from bridge.slurm.messages import Cancel
from tests.support.application import running_application
from tests.support.memory_gateway import CONNECT_FAILURE, MemoryGateway
from tests.support.samples import PARSE_BODY, QAQC_BODY, settings
from tests.support.waiting import wait_until

JSON = {"Content-Type": "application/json"}
Client = falcon.testing.TestClient


@pytest.fixture
def gateway() -> MemoryGateway:
    return MemoryGateway()


@pytest.fixture
def client(gateway: MemoryGateway) -> Iterator[Client]:
    with running_application(gateway, settings(request_timeout_seconds=2.0)) as client:
        yield client


def thing(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012}"


def items(count: int, things: int = 1) -> list[dict[str, Any]]:
    """So many items, each with a source of its own."""
    return [
        {**PARSE_BODY, "source": f"https://storage.example/{number}.csv", "thing_uuid": thing(number % things)}
        for number in range(count)
    ]


def post(client: Client, body: Any, path: str = "/extractor/batch", key: str | None = None) -> falcon.testing.Result:
    headers = JSON if key is None else {**JSON, "Idempotency-Key": key}
    return client.simulate_post(path, body=json.dumps(body), headers=headers)


def test_each_item_gets_a_job(client: Client, gateway: MemoryGateway) -> None:
    answer = post(client, {"items": items(6, things=2)})
    assert answer.status_code == 202
    assert answer.json["array_job_ids"] == ["1"]
    assert (answer.json["kind"], answer.json["lane"], answer.json["out"]) == ("parse", "live", "Submitted 6 batch jobs")
    assert [job["index"] for job in answer.json["jobs"]] == list(range(6))
    for number, job in enumerate(answer.json["jobs"]):
        shown = client.simulate_get(job["href"]).json
        assert (shown["job_id"], shown["thing_uuid"], shown["state"]) == (job["job_id"], thing(number % 2), "PENDING")
        assert (shown["array_job_id"], shown["lane"]) == ("1", "live")
        index = job["job_id"].partition("_")[2]
        own = json.loads(gateway.descriptors["1"].environment[f"TSM_ITEM_{index}"])
        assert own["TSM_SOURCE"] == f"https://storage.example/{number}.csv"


def test_the_list_finds_elements_by_thing(client: Client) -> None:
    post(client, {"items": items(6, things=3)})
    listed = client.simulate_get(f"/jobs?thing_uuid={thing(1)}").json["jobs"]
    assert [job["job_id"] for job in listed] == ["1_3", "1_2"]


def test_quality_control_comes_in_batches_too(client: Client, gateway: MemoryGateway) -> None:
    answer = post(client, {"items": [QAQC_BODY, {**QAQC_BODY, "qc_settings_name": "usual"}]}, "/qaqc/batch")
    assert (answer.status_code, answer.json["kind"]) == (202, "qaqc")
    assert gateway.descriptors["1"].name == "qaqc"


def test_a_batch_that_comes_again_gets_the_same_jobs(client: Client, gateway: MemoryGateway) -> None:
    first = post(client, {"items": items(60, things=50)}, key="k")
    again = post(client, {"items": items(60, things=50)}, key="k")
    assert (first.status_code, again.status_code) == (202, 200)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json["jobs"] == first.json["jobs"]
    assert again.json["array_job_ids"] == first.json["array_job_ids"] == ["1", "2", "3"]
    assert len(gateway.descriptors) == 3


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"items": items(3), "lane": "bulk"}, id="lane"),
        pytest.param({"items": items(2)}, id="fewer"),
        pytest.param({"items": items(60, things=50)}, id="more-arrays"),
        pytest.param({"items": items(3)[::-1]}, id="order"),
    ],
)
def test_a_key_with_another_batch_is_refused(client: Client, gateway: MemoryGateway, body: dict[str, Any]) -> None:
    post(client, {"items": items(3)}, key="k")
    answer = post(client, body, key="k")
    assert (answer.status_code, answer.json["type"]) == (422, "urn:tsm-slurm-bridge:idempotency-mismatch")
    assert len(gateway.descriptors) == 1


@pytest.mark.parametrize("order", [1, -1], ids=["job-first", "batch-first"])
def test_a_key_is_for_a_job_or_for_a_batch(client: Client, gateway: MemoryGateway, order: int) -> None:
    requests = [(PARSE_BODY, "/extractor/run"), ({"items": [PARSE_BODY]}, "/extractor/batch")][::order]
    answers = [post(client, body, path, key="k").status_code for body, path in requests]
    assert answers == [202, 422]
    assert len(gateway.descriptors) == 1


def test_every_item_at_fault_is_named_and_nothing_submitted(client: Client, gateway: MemoryGateway) -> None:
    bad = items(4)
    bad[1]["parser"] = "a;b"
    del bad[3]["source"]
    answer = post(client, {"items": bad})
    assert answer.status_code == 422
    assert {error["field"] for error in answer.json["errors"]} == {"items.1.parser", "items.3.source"}
    assert gateway.descriptors == {}


@pytest.mark.parametrize("body", [{"items": []}, {}, {"items": items(1), "lane": "fast"}], ids=["none", "no", "lane"])
def test_what_is_no_batch_is_refused(client: Client, gateway: MemoryGateway, body: dict[str, Any]) -> None:
    assert post(client, body).status_code == 422
    assert gateway.descriptors == {}


def test_too_many_items_are_refused(gateway: MemoryGateway) -> None:
    with running_application(gateway, settings(batch={"max_items": 2})) as client:
        answer = post(client, {"items": items(3)})
        assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, "items")
        assert post(client, {"items": items(2)}).status_code == 202


@pytest.mark.parametrize("part", ["{}", "0", '""'], ids=["objects", "numbers", "texts"])
def test_a_body_of_countless_parts_is_not_looked_at(client: Client, part: str) -> None:
    answer = client.simulate_post("/extractor/batch", body=f'{{"items":[{",".join([part] * 20_000)}]}}', headers=JSON)
    assert (answer.status_code, answer.json["type"]) == (413, "urn:tsm-slurm-bridge:body-too-large")


def test_a_text_without_an_end_takes_no_time(client: Client) -> None:
    body = "," * 20_000 + '"' + '\\"' * 1_000_000  # each of the quotation marks might begin a text
    assert client.simulate_post("/extractor/batch", body=body, headers=JSON).status_code == 413


def test_commas_in_texts_are_no_parts(client: Client) -> None:
    long_ones = [{**item, "source": item["source"] + "," * 8000} for item in items(4)]
    assert post(client, {"items": long_ones}).status_code == 202


def test_a_batch_for_which_there_is_no_room_is_not_submitted_in_part(gateway: MemoryGateway) -> None:
    with running_application(gateway, settings(max_pending_jobs=5)) as client:
        assert post(client, {"items": items(4)}).status_code == 202
        assert post(client, {"items": items(2)}).status_code == 429
        assert post(client, {"items": items(1)}).status_code == 202


@pytest.mark.parametrize(
    "error",
    [outcome_unknown("no answer"), submission_error(*CONNECT_FAILURE), submission_error(2050, "too many")],
    ids=["unknown", "unreachable", "full"],
)
def test_an_interrupted_batch_goes_on_where_it_was(
    client: Client, gateway: MemoryGateway, monkeypatch: pytest.MonkeyPatch, error: BridgeError
) -> None:
    submit = MemoryGateway.submit

    def failing(self: MemoryGateway, *arguments: Any) -> str:
        if len(self.descriptors) == 2:
            raise error
        return submit(self, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(MemoryGateway, "submit", failing)
        first = post(client, {"items": items(80, things=80)})
    assert (first.status_code, first.json["type"]) == (503, "urn:tsm-slurm-bridge:outcome-unknown")
    assert "48 of 80 jobs are submitted" in first.json["detail"]
    again = post(client, {"items": items(80, things=80)}, key=first.json["idempotency_key"])
    assert (again.status_code, again.json["array_job_ids"]) == (202, ["1", "2", "3", "4"])
    assert sum(len(job.indices or ()) for job in gateway.descriptors.values()) == 80


def test_a_batch_that_slurm_has_forgotten_in_part_is_not_done_again(gateway: MemoryGateway) -> None:
    body = {"items": items(40, things=40)}
    with running_application(gateway, settings()) as client:
        assert post(client, body, key="k").json["array_job_ids"] == ["1", "2"]
    for index in range(24):
        gateway.put(f"1_{index}", {"state": "COMPLETED", "end_time": 1})
        gateway.forget(f"1_{index}")
    gateway.tell_all_again()
    with running_application(gateway, settings()) as client:  # a bridge that has not seen the first array
        answer = post(client, body, key="k")
    assert (answer.status_code, answer.json["type"]) == (409, "urn:tsm-slurm-bridge:already-finished")
    assert len(gateway.descriptors) == 2


def test_one_element_is_cancelled_alone(client: Client, gateway: MemoryGateway) -> None:
    post(client, {"items": items(3)})
    assert client.simulate_delete("/jobs/1_1").status_code == 202
    wait_until(lambda: client.simulate_get("/jobs/1_1").json["state"] == "CANCELLED", "it is cancelled")
    assert [client.simulate_get(f"/jobs/1_{index}").json["state"] for index in (0, 2)] == ["PENDING"] * 2


def cancel(client: Client, ids: list[str]) -> dict[str, int]:
    """The status of each result."""
    answer = client.simulate_post("/jobs/cancel", json={"ids": ids})
    assert answer.status_code == 200
    assert [result["job_id"] for result in answer.json["results"]] == ids
    return {result["job_id"]: result["status"] for result in answer.json["results"]}


def states(client: Client, *ids: str) -> set[str]:
    return {client.simulate_get(f"/jobs/{job_id}").json["state"] for job_id in ids}


def test_many_are_cancelled_at_once_and_no_others(
    client: Client, gateway: MemoryGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *_ = (post(client, {"items": items(30, things=30)}) for _ in range(2))
    single = post(client, PARSE_BODY, "/extractor/run").json["job_id"]
    asked: list[str] = []
    do_cancel = MemoryGateway.cancel

    def counting(self: MemoryGateway, request: Cancel, deadline: Deadline) -> bool:
        asked.append(request.job_id)
        return do_cancel(self, request, deadline)

    monkeypatch.setattr(MemoryGateway, "cancel", counting)
    ids = [job["job_id"] for job in first.json["jobs"]]
    assert set(cancel(client, [*ids, single]).values()) == {202}
    assert [job_id for job_id in asked if "[" in job_id or job_id == single] == ["1_[0-23]", "2_[0-5]", single]
    wait_until(lambda: states(client, *ids, single) == {"CANCELLED"}, "they are cancelled")
    assert states(client, "3_0", "4_0") == {"PENDING"}
    assert set(cancel(client, ids).values()) == {202}  # asking again is no error


def test_what_cannot_be_cancelled_does_not_keep_others(client: Client, gateway: MemoryGateway) -> None:
    post(client, {"items": items(4)})
    gateway.put("1_1", {"state": "COMPLETED", "end_time": 1, "nodes": "n1"})
    wait_until(lambda: states(client, "1_1") == {"COMPLETED"}, "it has ended")
    gateway.put("1_2", {"state": "COMPLETED", "end_time": 1, "nodes": "n1"})  # which the bridge may not have seen
    results = cancel(client, ["1_0", "1_1", "1_2", "99", "no id"])
    assert results == {"1_0": 202, "1_1": 409, "1_2": 409, "99": 404, "no id": 404}
    wait_until(lambda: states(client, "1_0") == {"CANCELLED"}, "it is cancelled")
    assert states(client, "1_3") == {"PENDING"}


def test_jobs_of_the_bulk_lane_share_their_number(gateway: MemoryGateway) -> None:
    with running_application(gateway, settings(batch={"bulk_running_max": 10})) as client:
        post(client, {"items": items(80, things=80), "lane": "bulk"})
        post(client, {"items": items(80, things=80)})
    assert [job.running_max for job in gateway.descriptors.values()] == [2] * 4 + [None] * 4


def test_nothing_secret_is_in_a_comment(client: Client, gateway: MemoryGateway) -> None:
    post(client, {"items": items(30, things=10)})
    comment = gateway.descriptors["1"].comment
    assert "storage.example" not in comment
    assert "secret" not in comment
