"""Jobs that ended badly, as a client meets them, on the in-memory gateway."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import falcon.testing
import pytest

from bridge.core.deadline import Deadline
from bridge.jobs.failures import reruns
from bridge.slurm.messages import RequeueOutcome
from tests.support.application import running_application
from tests.support.memory_gateway import MemoryGateway
from tests.support.samples import OUTPUT_FOLDER, PARSE_BODY, QAQC_BODY, THING, descriptor, settings
from tests.support.waiting import wait_until

Client = falcon.testing.TestClient
EARLIER = int(time.time()) - 60
TEMPORARY = {"state": "FAILED", "exit_code": 75, "end_time": EARLIER, "nodes": "n1"}
WRONG_DATA = {**TEMPORARY, "exit_code": 1, "end_time": EARLIER + 1}
NODE_FAILURE = {**TEMPORARY, "state": "NODE_FAIL", "exit_code": 1, "nodes": "n2"}
LATER = {"state": "FAILED", "exit_code": 75, "nodes": "n1", "end_time": EARLIER + 3600}


@pytest.fixture
def gateway() -> MemoryGateway:
    return MemoryGateway()


@pytest.fixture
def client(gateway: MemoryGateway) -> Iterator[Client]:
    with running_application(gateway, settings(request_timeout_seconds=2.0)) as client:
        yield client


def ended(client: Client, gateway: MemoryGateway, *ends: dict[str, Any], **fields: Any) -> list[str]:
    """The ids of jobs that ended so, as the bridge sees it."""
    job_ids = [client.simulate_post("/extractor/run", json={**PARSE_BODY, **fields}).json["job_id"] for _ in ends]
    for job_id, end in zip(job_ids, ends, strict=True):
        gateway.put(job_id, end)
    body = {"ids": job_ids}
    wait_until(
        lambda: all(each["job"]["finished"] for each in client.simulate_post("/jobs/query", json=body).json["results"]),
        "they have ended",
    )
    return job_ids


def groups(client: Client, **query: str) -> dict[str, dict[str, Any]]:
    """The groups by their cause."""
    found = client.simulate_get("/failures", params=query).json
    assert found["count"] == sum(group["count"] for group in found["groups"])
    return {group["cause"]: group for group in found["groups"]}


def run_again(client: Client, wanted: dict[str, Any], **more: Any) -> falcon.testing.Result:
    return client.simulate_post("/failures/retry", json={"filter": wanted, **more})


def test_failures_are_grouped_by_kind_and_cause(client: Client, gateway: MemoryGateway) -> None:
    other = str(uuid4())
    ended(client, gateway, {"state": "COMPLETED", "end_time": EARLIER})
    jobs = ended(client, gateway, TEMPORARY, {**TEMPORARY, "end_time": EARLIER + 5, "nodes": "n2"}, WRONG_DATA)
    ended(client, gateway, {**TEMPORARY, "end_time": EARLIER + 2}, thing_uuid=other)
    check = client.simulate_post("/qaqc/run", json=QAQC_BODY).json["job_id"]
    gateway.put(check, TEMPORARY)
    wait_until(lambda: client.simulate_get("/failures").json["count"] == 5, "the bridge sees all")
    found = client.simulate_get("/failures").json
    assert [(each["kind"], each["cause"], each["count"]) for each in found["groups"]] == [
        ("parse", "exit_code_75", 3),
        ("qaqc", "exit_code_75", 1),
        ("parse", "exit_code_1", 1),
    ]
    first = found["groups"][0]
    assert first["nodes"] == [{"node": "n1", "count": 2}, {"node": "n2", "count": 1}]
    assert first["things"] == [{"thing_uuid": THING, "count": 2}, {"thing_uuid": other, "count": 1}]
    assert (first["things_count"], first["runnable"], first["example"]["job_id"]) == (2, 3, jobs[1])
    assert first["example"]["explanation"].startswith("failed with exit code 75")
    assert first["filter"] == {"kind": "parse", "cause": "exit_code_75", "until": found["as_of"]}


@pytest.mark.parametrize(
    ("query", "counts"),
    [
        ({"thing_uuid": THING}, {"exit_code_75": 1}),
        ({"kind": "qaqc"}, {}),
        ({"since": f"{datetime.fromtimestamp(EARLIER + 1, UTC):%Y-%m-%dT%H:%M:%SZ}"}, {"exit_code_1": 1}),
    ],
    ids=["thing", "kind", "since"],
)
def test_a_question_narrows_down_and_each_filter_repeats_it(
    client: Client, gateway: MemoryGateway, query: dict[str, str], counts: dict[str, int]
) -> None:
    ended(client, gateway, TEMPORARY)
    ended(client, gateway, WRONG_DATA, thing_uuid=str(uuid4()))
    found = groups(client, **query)
    assert {cause: group["count"] for cause, group in found.items()} == counts
    for group in found.values():
        assert group["filter"].items() >= query.items()


def test_a_group_runs_again_once(client: Client, gateway: MemoryGateway) -> None:
    jobs = ended(client, gateway, {**TEMPORARY, "end_time": EARLIER + 9}, TEMPORARY, WRONG_DATA, NODE_FAILURE)
    wanted = groups(client)["exit_code_75"]["filter"]
    preview = run_again(client, wanted, dry_run=True)
    assert (preview.status_code, preview.json["count"]) == (200, 2)
    answer = run_again(client, wanted)
    assert answer.status_code == 202
    assert (
        [job["job_id"] for job in answer.json["jobs"]]
        == [jobs[1], jobs[0]]
        == [job["job_id"] for job in preview.json["jobs"]]
    )
    assert answer.json == {**preview.json, "dry_run": False}
    again = run_again(client, wanted)
    assert (again.status_code, again.json["count"], again.json["refused"]) == (202, 0, [])
    assert [client.simulate_get(f"/jobs/{job_id}").json["restarts"] for job_id in jobs] == [1, 1, 0, 0]


def test_one_that_fails_again_is_not_found_by_the_same_call(client: Client, gateway: MemoryGateway) -> None:
    (job_id,) = ended(client, gateway, TEMPORARY)
    wanted = groups(client)["exit_code_75"]["filter"]
    assert run_again(client, wanted).json["count"] == 1
    gateway.put(job_id, LATER)
    wait_until(lambda: groups(client), "it has failed again")
    assert run_again(client, wanted).json["count"] == 0
    assert groups(client)["exit_code_75"]["filter"]["until"] > wanted["until"]


def test_a_node_and_a_thing_narrow_it_down(client: Client, gateway: MemoryGateway) -> None:
    _, on_n2 = ended(client, gateway, TEMPORARY, {**TEMPORARY, "nodes": "n2"})
    ended(client, gateway, {**TEMPORARY, "nodes": "n2"}, thing_uuid=str(uuid4()))
    wanted = {**groups(client)["exit_code_75"]["filter"], "node": "n2", "thing_uuid": THING}
    assert [job["job_id"] for job in run_again(client, wanted).json["jobs"]] == [on_n2]


def test_so_many_begin_in_a_minute(client: Client, gateway: MemoryGateway) -> None:
    jobs = ended(client, gateway, *[{**TEMPORARY, "end_time": EARLIER + place} for place in range(5)])
    before = int(time.time())
    assert run_again(client, groups(client)["exit_code_75"]["filter"], per_minute=2).json["count"] == 5
    begins = [gateway.begin_times[job_id] for job_id in jobs]
    assert begins[0] is not None
    assert begins[0] >= before + 120  # as long as Slurm lets none begin
    assert begins == [begins[0] + 30 * place for place in range(5)]


def test_what_slurm_has_forgotten_is_shown_and_does_not_run(client: Client, gateway: MemoryGateway) -> None:
    forgotten, kept = ended(client, gateway, TEMPORARY, TEMPORARY)
    gateway.forget(forgotten)
    wait_until(lambda: client.simulate_get(f"/jobs/{forgotten}").json["source"] == "memory", "Slurm has forgotten it")
    group = groups(client)["exit_code_75"]
    assert (group["count"], group["runnable"]) == (2, 1)
    for dry_run in (True, False):
        answer = run_again(client, group["filter"], dry_run=dry_run).json
        assert [job["job_id"] for job in answer["jobs"]] == [kept]
        assert [job["job_id"] for job in answer["refused"]] == [forgotten]
        assert "submit the request again" in answer["refused"][0]["detail"]


def test_a_duplicate_that_gave_way_is_no_failure(client: Client, gateway: MemoryGateway) -> None:
    (stays,) = ended(client, gateway, TEMPORARY)
    gave_way = gateway.submit(gateway.descriptors[stays], Deadline.after(1))
    gateway.put(gave_way, {"state": "CANCELLED", "end_time": EARLIER})
    by_a_person = client.simulate_post("/extractor/run", json=PARSE_BODY).json["job_id"]
    gateway.put(by_a_person, {"state": "CANCELLED", "end_time": EARLIER})
    wait_until(lambda: "cancelled" in groups(client), "the bridge sees it")
    wait_until(lambda: client.simulate_get(f"/jobs/{gave_way}").json["finished"], "and the other")
    assert groups(client)["cancelled"]["example"]["job_id"] == by_a_person
    assert {cause: group["count"] for cause, group in groups(client).items()} == {"cancelled": 1, "exit_code_75": 1}


def test_jobs_of_others_are_no_failures(client: Client, gateway: MemoryGateway) -> None:
    gateway.put(gateway.submit(descriptor(OUTPUT_FOLDER, comment="my own"), Deadline.after(1)), TEMPORARY)
    ended(client, gateway, TEMPORARY)
    assert groups(client)["exit_code_75"]["count"] == 1


def test_each_refusal_of_slurm_is_told(client: Client, gateway: MemoryGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    ended(client, gateway, TEMPORARY)
    refusal = RequeueOutcome(is_taken=False, code=2029, message="Requested operation is presently disabled")
    monkeypatch.setattr(gateway, "requeue", lambda jobs, _deadline: [refusal for _ in jobs])
    answer = run_again(client, groups(client)["exit_code_75"]["filter"])
    assert (answer.status_code, answer.json["count"]) == (202, 0)
    assert "JobRequeue" in answer.json["refused"][0]["detail"]


def test_what_there_is_no_time_for_is_left(
    client: Client, gateway: MemoryGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reruns, "AT_ONCE", 2)
    requeue = gateway.requeue

    def slowly(*arguments: Any) -> list[RequeueOutcome]:
        time.sleep(0.6)
        return requeue(*arguments)

    monkeypatch.setattr(gateway, "requeue", slowly)
    ended(client, gateway, *[TEMPORARY] * 5)
    wanted = groups(client)["exit_code_75"]["filter"]
    answers = [run_again(client, wanted, per_minute=2).json for _ in range(2)]
    assert [(answer["count"], answer["left"]) for answer in answers] == [(4, 1), (1, 0)]
    begins = [gateway.begin_times[job["job_id"]] for answer in answers for job in answer["jobs"]]
    assert begins[0] is not None
    assert begins == [begins[0] + 30 * place for place in range(5)]


def test_a_controller_that_does_not_answer(client: Client, gateway: MemoryGateway) -> None:
    ended(client, gateway, TEMPORARY)
    wanted = groups(client)["exit_code_75"]["filter"]
    gateway.is_dead = True
    answer = run_again(client, wanted)
    assert (answer.status_code, answer.json["retryable"]) == (503, True)
    wait_until(lambda: "Warning" in client.simulate_get("/failures").headers, "the list says that it is old")
    assert groups(client)["exit_code_75"]["count"] == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "filter"),
        ({"filter": {"until": "2026-01-01T00:00:00Z"}}, "filter.cause"),
        ({"filter": {"cause": "exit_code_75"}}, "filter.until"),
        ({"filter": {"cause": "bad luck", "until": "2026-01-01T00:00:00Z"}}, "filter.cause"),
        ({"filter": {"cause": "exit_code_75\n", "until": "2026-01-01T00:00:00Z"}}, "filter.cause"),
        ({"filter": {"cause": "other", "until": "2026-01-01T00:00:00Z"}, "per_minute": 0}, "per_minute"),
        ({"filter": {"cause": "other", "until": "2026-01-01T00:00:00Z"}, "per_minute": True}, "per_minute"),
        ({"filter": {"cause": "other", "until": "2026-01-01T00:00:00Z"}, "per_minute": "9"}, "per_minute"),
        ({"filter": {"cause": "other", "until": "2026-01-01T00:00:00Z"}, "dry_run": "yes"}, "dry_run"),
        ({"filter": {"cause": "other", "until": "2026-01-01T00:00:00Z", "x": 1}}, "filter.x"),
        ({"filter": {"cause": "other", "until": (datetime.now(UTC) + timedelta(days=1)).isoformat()}}, "filter.until"),
    ],
)
def test_what_is_wrong_is_named(client: Client, body: dict[str, Any], field: str) -> None:
    answer = client.simulate_post("/failures/retry", json=body)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json["errors"]] == [field]
