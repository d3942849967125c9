"""A parse followed by quality control, as a client meets it, on the in-memory gateway."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import falcon.testing
import pytest
from msgspec.structs import replace

from bridge.core.deadline import Deadline
from bridge.core.errors import BridgeError, TooManyRequestsError
from bridge.http.app import create_app
from bridge.jobs.requests.metadata import HELD_SECONDS
from bridge.jobs.submission import chain_recovery
from bridge.services import Services
from bridge.slurm.errors import outcome_unknown, submission_error
from bridge.slurm.messages import Cancel, JobDescriptor
from tests.support.application import FAST, running_application
from tests.support.memory_gateway import CONNECT_FAILURE, INVALID_PARTITION, MemoryGateway
from tests.support.samples import PARSE_BODY, THING, settings
from tests.support.waiting import wait_until

Client = falcon.testing.TestClient
BODY = {**PARSE_BODY, "qaqc": True}
BATCH = {"items": [BODY, PARSE_BODY, {**BODY, "source": "https://storage.example/other.csv"}]}
UNREACHABLE = submission_error(*CONNECT_FAILURE)
UNKNOWN = outcome_unknown("Slurm did not answer in time")


class InterruptedGateway(MemoryGateway):
    """One whose controller refuses quality control with `refusal`; `is_lame` too: it takes nothing back, as if dead."""

    refusal: BridgeError | None = None
    is_lame = False
    before_refusal: Callable[[], None] = staticmethod(lambda: None)

    def submit(self, descriptor: JobDescriptor, deadline: Deadline) -> str:
        """See `Gateway`."""
        if self.refusal and descriptor.name == "qaqc":
            self.before_refusal()
            raise self.refusal
        return super().submit(descriptor, deadline)

    def cancel(self, request: Cancel, deadline: Deadline) -> bool:
        """See `Gateway`."""
        if self.is_lame:
            raise UNREACHABLE
        return super().cancel(request, deadline)


@pytest.fixture
def gateway() -> InterruptedGateway:
    return InterruptedGateway()


@pytest.fixture
def client(gateway: MemoryGateway) -> Iterator[Client]:
    with running_application(gateway, settings(request_timeout_seconds=2.0)) as client:
        yield client


@contextmanager
def running_bridge(gateway: MemoryGateway, **changes: Any) -> Iterator[Client]:
    """With its recovery, after one that ran before."""
    gateway.tell_all_again()
    of_it = settings(**changes)
    services = Services.of(of_it, gateway, b"secret", FAST)
    services.start()
    try:
        yield Client(create_app(of_it, services))
    finally:
        services.close()


def post(client: Client, body: Any = BODY, key: str | None = None) -> falcon.testing.Result:
    path = "/extractor/batch" if "items" in body else "/extractor/run"
    return client.simulate_post(path, json=body, headers={} if key is None else {"Idempotency-Key": key})


def states(gateway: MemoryGateway) -> dict[str, str]:
    jobs = ((job_id, gateway.find(job_id, Deadline.after(1))) for job_id in gateway.descriptors)
    return {job_id: job.state for job_id, job in jobs if job}


def job_ids(answer: falcon.testing.Result) -> list[tuple[str, Any]]:
    """Of the jobs of an answer, and of what follows them."""
    return [(job["job_id"], job.get("qaqc")) for job in answer.json.get("jobs", [answer.json])]


@contextmanager
def other_application(gateway: MemoryGateway) -> Iterator[Client]:
    """Another bridge, after the one that ran before."""
    gateway.tell_all_again()
    with running_application(gateway, settings(request_timeout_seconds=2.0)) as client:
        yield client


def interrupt(client: Client, gateway: InterruptedGateway, key: str, body: Any = BODY) -> None:
    """Leave a parse behind that nothing follows, as a bridge does that is killed in between."""
    gateway.refusal, gateway.is_lame = UNREACHABLE, True
    assert post(client, body, key=key).status_code == 503
    gateway.refusal, gateway.is_lame = None, False
    assert "CANCELLED" not in states(gateway).values()


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
