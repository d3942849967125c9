"""A parse followed by quality control, as a client meets it, on the in-memory gateway."""

import time
from collections.abc import Iterator
from typing import Any

import falcon.testing
import pytest

from bridge.core.deadline import Deadline
from bridge.core.errors import TooManyRequestsError
from bridge.jobs.requests.metadata import HELD_SECONDS
from bridge.jobs.submission import chain_recovery
from bridge.slurm.errors import submission_error
from tests.support.application import running_application
from tests.support.chain_clients import (
    BATCH,
    BODY,
    UNKNOWN,
    UNREACHABLE,
    Client,
    InterruptedGateway,
    interrupt,
    job_ids,
    other_application,
    post,
    running_bridge,
    states,
)
from tests.support.memory_gateway import INVALID_PARTITION, MemoryGateway
from tests.support.samples import PARSE_BODY, THING, settings
from tests.support.waiting import wait_until


@pytest.fixture
def gateway() -> InterruptedGateway:
    return InterruptedGateway()


@pytest.fixture
def client(gateway: MemoryGateway) -> Iterator[Client]:
    with running_application(gateway, settings(request_timeout_seconds=2.0)) as client:
        yield client


def test_the_answer_names_both_jobs_and_the_second_waits_for_the_first(
    client: Client, gateway: InterruptedGateway
) -> None:
    answer = post(client)
    assert (answer.status_code, answer.json["job_id"]) == (202, "1")
    assert answer.json["qaqc"] == {"job_id": "2", "href": "/jobs/2"}
    parse, qaqc = gateway.descriptors["1"], gateway.descriptors["2"]
    assert (parse.name, parse.dependency, qaqc.name, qaqc.dependency) == ("parse", None, "qaqc", "afterok:1")
    assert qaqc.environment["TSM_TARGET"] == PARSE_BODY["target"]
    assert "TSM_SOURCE" not in qaqc.environment
    assert gateway.released == {"1"}
    shown = client.simulate_get("/jobs/2").json
    assert (shown["kind"], shown["thing_uuid"], shown["after_job_ids"]) == ("qaqc", THING, ["1"])
    assert shown["explanation"] == "waits for parse job 1"
    assert client.simulate_get("/jobs/1").json["after_job_ids"] == []


def test_the_first_cannot_begin_before_the_second_is_there(client: Client, gateway: InterruptedGateway) -> None:
    interrupt(client, gateway, "key")
    first = gateway.descriptors["1"]
    found = gateway.find("1", Deadline.after(1))
    assert found is not None
    assert found.submit_time is not None
    assert first.begin_time is not None
    assert first.begin_time >= found.submit_time + HELD_SECONDS - 1
    assert gateway.released == set()
    shown = client.simulate_get("/jobs/1?wait=1").json
    assert shown["explanation"] == "waits until the job that is to follow it is submitted, too"


def test_a_job_without_it_is_not_held(client: Client, gateway: InterruptedGateway) -> None:
    for body in (PARSE_BODY, {**PARSE_BODY, "qaqc": False}):
        answer = post(client, body, key="same")
        assert "qaqc" not in answer.json
    assert list(gateway.descriptors) == ["1"]
    assert gateway.descriptors["1"].begin_time is None
    assert post(client, BODY, key="same").status_code == 422


def test_why_the_second_was_not_run(client: Client, gateway: InterruptedGateway) -> None:
    post(client)
    ended = {"state": "CANCELLED", "state_reason": "DependencyNeverSatisfied"}
    gateway.put("2", ended)
    wait_until(lambda: client.simulate_get("/jobs/2").json["finished"], "it has ended")
    assert client.simulate_get("/jobs/2").json["explanation"] == "was not run, since parse job 1 did not succeed"


def test_a_repeated_key_gets_both(client: Client, gateway: InterruptedGateway) -> None:
    first = post(client, key="key")
    again = post(client, key="key")
    assert (again.status_code, again.headers["idempotency-replayed"]) == (200, "true")
    assert (again.json["job_id"], again.json["qaqc"]) == (first.json["job_id"], first.json["qaqc"])
    assert list(gateway.descriptors) == ["1", "2"]


def test_a_repeated_key_gets_both_from_another_bridge(gateway: InterruptedGateway) -> None:
    with other_application(gateway) as client:
        first = post(client, key="key")
    with other_application(gateway) as client:
        again = post(client, key="key")
    assert (again.json["job_id"], again.json["qaqc"]) == (first.json["job_id"], first.json["qaqc"])


def test_a_repeated_key_gets_both_that_slurm_has_forgotten(gateway: InterruptedGateway) -> None:
    gateway.has_accounting = True
    with other_application(gateway) as client:
        first = post(client, key="key")
    for job_id in ("1", "2"):
        gateway.put(job_id, {"state": "COMPLETED", "nodes": "n1", "end_time": int(time.time())})
        gateway.forget(job_id)
    with running_bridge(gateway, keys_kept_hours=24) as client:
        again = post(client, key="key")
    assert (again.status_code, job_ids(again)) == (200, job_ids(first))


def test_where_the_second_is_refused_there_is_neither(client: Client, gateway: InterruptedGateway) -> None:
    gateway.refusal = submission_error(*INVALID_PARTITION)
    assert post(client, key="key").status_code == 502
    assert states(gateway) == {"1": "CANCELLED"}
    gateway.refusal = None
    answer = post(client, key="key")
    assert (answer.status_code, answer.json["job_id"], answer.json["qaqc"]["job_id"]) == (202, "2", "3")


def test_where_slurm_does_not_answer_in_between_the_request_comes_again(
    client: Client, gateway: InterruptedGateway
) -> None:
    gateway.refusal = UNKNOWN
    refused = post(client)
    assert (refused.status_code, states(gateway)) == (503, {"1": "PENDING"})
    gateway.refusal = None
    answer = post(client, key=refused.json["idempotency_key"])
    assert (answer.json["job_id"], answer.json["qaqc"]["job_id"]) == ("1", "2")


def test_another_bridge_completes_what_was_interrupted(gateway: InterruptedGateway) -> None:
    with other_application(gateway) as client:
        interrupt(client, gateway, "key")
    with other_application(gateway) as client:
        answer = post(client, key="key")
    assert (answer.json["job_id"], answer.json["qaqc"]["job_id"]) == ("1", "2")
    assert gateway.released == {"1"}


def test_what_was_interrupted_long_ago_is_taken_back_and_done_anew(
    gateway: InterruptedGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    with other_application(gateway) as client:
        interrupt(client, gateway, "key")
        gateway.put("1", {"submit_time": int(time.time()) - 100})
        assert post(client, key="key").status_code == 503
        assert states(gateway) == {"1": "PENDING"}  # another request may be at work that has begun to complete it
    monkeypatch.setattr(chain_recovery, "MARGIN_SECONDS", 0.0)
    with running_bridge(gateway, request_timeout_seconds=2.0) as client:
        wait_until(lambda: states(gateway)["1"] == "CANCELLED", "it is taken back", 20)
        answer = post(client, key="key")
    assert (answer.json["job_id"], answer.json["qaqc"]["job_id"]) == ("2", "3")
    assert states(gateway) == {"1": "CANCELLED", "2": "PENDING", "3": "PENDING"}


def test_what_was_interrupted_is_completed_for_as_long_as_its_request_may_take(gateway: InterruptedGateway) -> None:
    with other_application(gateway) as client:
        interrupt(client, gateway, "key")
    gateway.put("1", {"submit_time": int(time.time()) - 100})
    with running_bridge(gateway, request_timeout_seconds=100.0) as client:
        answer = post(client, key="key")
    assert (answer.json["job_id"], answer.json["qaqc"]["job_id"]) == ("1", "2")


@pytest.mark.parametrize("body", [BODY, BATCH], ids=["job", "batch"])
@pytest.mark.parametrize("is_own", [False, True], ids=["adopted", "own"])
def test_where_the_second_is_refused_that_another_bridge_has_submitted_both_stay(
    client: Client, gateway: InterruptedGateway, body: dict[str, Any], is_own: bool
) -> None:
    if not is_own:
        interrupt(client, gateway, "key", body)
    with other_application(gateway.of_another_bridge()) as other:
        answers: list[falcon.testing.Result] = []
        gateway.before_refusal = lambda: answers.append(post(other, body, key="key"))
        gateway.refusal = TooManyRequestsError("Too many jobs.")
        mine = post(client, body, key="key")
    assert answers[0].status_code == 200
    assert mine.status_code in (200, 202)
    assert job_ids(mine) == job_ids(answers[0])
    assert "CANCELLED" not in states(gateway).values()


def test_a_refusal_takes_back_no_job_of_another_bridge(client: Client, gateway: InterruptedGateway) -> None:
    interrupt(client, gateway, "key")
    gateway.refusal = submission_error(*INVALID_PARTITION)
    assert post(client, key="key").status_code == 502
    assert states(gateway) == {"1": "PENDING"}


def test_a_bridge_cancels_what_none_will_follow(gateway: InterruptedGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    with other_application(gateway) as client:
        interrupt(client, gateway, "key")
    monkeypatch.setattr(chain_recovery, "MARGIN_SECONDS", 0.0)
    with running_bridge(gateway, request_timeout_seconds=0.1):
        wait_until(lambda: states(gateway)["1"] == "CANCELLED", "it is cancelled", 20)
    assert gateway.released == set()


def test_a_bridge_lets_a_job_begin_that_is_followed(gateway: InterruptedGateway) -> None:
    with other_application(gateway) as client:
        post(client)
    gateway.released.clear()
    begin_time = gateway.descriptors["1"].begin_time
    gateway.put("1", {"start_time": begin_time})  # as where the bridge was killed before it let it begin
    with running_bridge(gateway):
        wait_until(lambda: gateway.released == {"1"}, "it may begin", 20)
    assert set(states(gateway).values()) == {"PENDING"}


def test_both_come_back_when_the_controller_has_lost_them(gateway: InterruptedGateway) -> None:
    with running_bridge(gateway) as client:
        post(client)
        gateway.crash()

        def is_back() -> bool:
            return states(gateway) == {"3": "PENDING", "4": "PENDING"} and "3" in gateway.released

        wait_until(is_back, "they are there again, the first may begin", 20)
        assert gateway.descriptors["4"].dependency == "afterok:3"
        assert client.simulate_get("/jobs/4").json["after_job_ids"] == ["3"]


def test_what_is_lost_of_a_parse_that_failed_stays_away(
    gateway: InterruptedGateway, caplog: pytest.LogCaptureFixture
) -> None:
    with running_bridge(gateway) as client:
        post(client)
        gateway.put("1", {"state": "FAILED", "nodes": "n1", "exit_code": 1})
        wait_until(lambda: client.simulate_get("/jobs/1").json["finished"], "it has ended")
        gateway.lose("2")
        gateway.restart()
        wait_until(lambda: "none to follow" in caplog.text, "it is given up", 20)
    assert list(gateway.descriptors) == ["1"]


@pytest.mark.parametrize(
    "stands",
    [
        {"state": "CANCELLED", "state_reason": "DependencyNeverSatisfied"},
        {"state": "PENDING", "state_reason": "job requeued in held state"},
    ],
    ids=["in-vain", "left-held"],
)
@pytest.mark.parametrize("body", [BODY, {"items": [BODY, BODY]}], ids=["job", "elements"])
def test_where_the_first_runs_again_the_second_waits_for_it_again(
    gateway: InterruptedGateway, body: dict[str, Any], stands: dict[str, Any]
) -> None:
    first, second, dependency = ("1", "2", "afterok:1") if body is BODY else ("1_1", "2_1", "afterok:1_1")
    with running_bridge(gateway) as client:
        post(client, body)
        gateway.put(first, {"state": "FAILED", "nodes": "n1", "exit_code": 75, "end_time": int(time.time())})
        gateway.put(second, stands)
        wait_until(lambda: client.simulate_get(f"/jobs/{first}").json["finished"], "it has ended")
        assert client.simulate_post(f"/jobs/{first}/retry").status_code == 202
        wait_until(lambda: gateway.dependencies.get(second) == dependency, "it waits again")


def test_a_second_that_its_client_cancelled_stays_cancelled(gateway: InterruptedGateway) -> None:
    with running_bridge(gateway) as client:
        post(client)
        client.simulate_delete("/jobs/2")
        gateway.put("1", {"state": "FAILED", "nodes": "n1", "exit_code": 75, "end_time": int(time.time())})
        wait_until(lambda: client.simulate_get("/jobs/1").json["finished"], "it has ended")
        assert client.simulate_post("/jobs/1/retry").status_code == 202
        time.sleep(1)
        assert client.simulate_get("/jobs/2").json["state"] == "CANCELLED"


def test_jobs_of_a_thing_share_a_name_where_they_keep_their_order(gateway: InterruptedGateway) -> None:
    with running_application(gateway, settings(order_per_thing=True)) as client:
        assert post(client).status_code == 202
        assert post(client, BATCH).status_code == 202
    jobs = gateway.descriptors.values()
    assert {(job.name, job.is_singleton) for job in jobs} == {(f"thing-{THING}", True)}
    dependencies = [None, "afterok:1", None, "aftercorr:3", None, None, "aftercorr:6"]
    assert [job.dependency for job in jobs] == dependencies
    assert [job.indices for job in jobs] == [None, None, *[(0,)] * 5]
    assert "/parse-%j" in gateway.descriptors["1"].stdout_path


def test_items_of_a_batch_are_followed_element_by_element(client: Client, gateway: InterruptedGateway) -> None:
    answer = post(client, BATCH, key="key")
    assert answer.status_code == 202
    ids = [(job["job_id"], job.get("qaqc", {}).get("job_id")) for job in answer.json["jobs"]]
    assert ids == [("2_0", "3_0"), ("1_0", None), ("2_1", "3_1")]
    assert [job.dependency for job in gateway.descriptors.values()] == [None, None, "aftercorr:2"]
    assert [job.begin_time is not None for job in gateway.descriptors.values()] == [False, True, False]
    assert gateway.released == {"2"}
    shown = client.simulate_get("/jobs/3_1").json
    assert (shown["explanation"], shown["after_job_ids"]) == ("waits for parse job 2_1", ["2_1"])
    again = post(client, BATCH, key="key")
    assert (again.status_code, again.json["jobs"]) == (200, answer.json["jobs"])


def test_an_interrupted_batch_is_completed(client: Client, gateway: InterruptedGateway) -> None:
    gateway.refusal, gateway.is_lame = UNREACHABLE, True
    assert post(client, BATCH, key="key").status_code == 503
    gateway.refusal, gateway.is_lame = None, False
    assert gateway.released == set()
    answer = post(client, BATCH, key="key")
    ids = [(job["job_id"], job.get("qaqc", {}).get("job_id")) for job in answer.json["jobs"]]
    assert ids == [("2_0", "3_0"), ("1_0", None), ("2_1", "3_1")]
    assert "2" in gateway.released
