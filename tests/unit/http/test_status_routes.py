"""How jobs stand, on the in-memory gateway: what is remembered, what is waited for, what accounting adds."""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import falcon.testing
import pytest
from msgspec import structs

from bridge.core.deadline import Deadline
from bridge.http.middleware.request_context import HAS_HUNG_UP
from bridge.jobs.status.controller_trust import ControllerTrust
from bridge.jobs.status.job_view import own_jobs
from bridge.jobs.status.ledger import SubmissionLedger
from bridge.jobs.status.queue_cache import QueueCache
from bridge.jobs.status.queue_snapshot import QueueSnapshot
from bridge.slurm.messages import QueueChange
from tests.support.application import FAST, running_application
from tests.support.memory_gateway import MemoryGateway
from tests.support.samples import OUTPUT_FOLDER, descriptor, settings
from tests.support.waiting import wait_until

Client = falcon.testing.TestClient
FORGETFUL = replace(FAST, accounting_kept_seconds=0.1)


@pytest.fixture
def gateway() -> MemoryGateway:
    return MemoryGateway(has_accounting=True)


@pytest.fixture
def client(gateway: MemoryGateway) -> Iterator[Client]:
    with running_application(gateway, settings(request_timeout_seconds=2, max_waiting_clients=2), FORGETFUL) as client:
        yield client


def submit(gateway: MemoryGateway) -> str:
    return gateway.submit(descriptor(OUTPUT_FOLDER), Deadline.after(1))


def end(gateway: MemoryGateway, job_id: str, state: str = "COMPLETED") -> None:
    gateway.put(job_id, {"state": state, "end_time": int(time.time()), "nodes": "n1"})


def state_and_source(client: Client, job_id: str) -> tuple[str, str]:
    job = client.simulate_get(f"/jobs/{job_id}").json
    return job["state"], job["source"]


def is_seen(client: Client, job_id: str, expected: tuple[str, str]) -> bool:
    return state_and_source(client, job_id) == expected


def test_a_job_that_the_controller_forgets_is_remembered(client: Client, gateway: MemoryGateway) -> None:
    job_id = submit(gateway)
    end(gateway, job_id)
    wait_until(lambda: state_and_source(client, job_id) == ("COMPLETED", "controller"), "its end is seen")
    tag = client.simulate_get(f"/jobs/{job_id}").headers["ETag"]
    gateway.forget(job_id)
    gateway.accounting_is_dead = True
    wait_until(lambda: state_and_source(client, job_id) == ("COMPLETED", "memory"), "it is remembered")
    assert client.simulate_get(f"/jobs/{job_id}").headers["ETag"] == tag
    assert [job["job_id"] for job in client.simulate_get("/jobs").json["jobs"]] == [job_id]


def test_no_more_is_remembered_than_there_is_room_for(gateway: MemoryGateway) -> None:
    gateway.has_accounting = False
    with running_application(gateway, settings(), replace(FAST, remembered_max=2)) as client:
        ids = [submit(gateway) for _ in range(3)]
        for job_id in ids:
            end(gateway, job_id)
            wait_until(partial(is_seen, client, job_id, ("COMPLETED", "controller")), "its end is seen")
            gateway.forget(job_id)
            wait_until(partial(is_seen, client, job_id, ("COMPLETED", "memory")), "it is gone")
        assert client.simulate_get(f"/jobs/{ids[0]}").status_code == 404
        assert state_and_source(client, ids[1]) == ("COMPLETED", "memory")


def test_accounting_tells_of_jobs_from_before_the_start(gateway: MemoryGateway) -> None:
    old, new = submit(gateway), submit(gateway)
    end(gateway, old, "FAILED")
    gateway.forget(old)
    with running_application(gateway, settings()) as client:
        assert state_and_source(client, old) == ("FAILED", "accounting")
        assert state_and_source(client, new) == ("PENDING", "controller")
        listed = client.simulate_get("/jobs?since=2020-01-01T00:00:00Z").json
        assert [(job["job_id"], job["source"]) for job in listed["jobs"]] == [(new, "controller"), (old, "accounting")]
        assert listed["missing"] is None
        assert [job["job_id"] for job in client.simulate_get("/jobs").json["jobs"]] == [new]


def test_a_job_that_was_not_seen_to_end_has_ended_as_accounting_says(client: Client, gateway: MemoryGateway) -> None:
    job_id = submit(gateway)
    wait_until(lambda: state_and_source(client, job_id) == ("PENDING", "controller"), "it is seen")
    end(gateway, job_id, "TIMEOUT")
    gateway.forget(job_id)
    wait_until(lambda: state_and_source(client, job_id) == ("TIMEOUT", "accounting"), "accounting is asked")
    for state, listed in (("TIMEOUT", [("TIMEOUT", "accounting")]), ("PENDING", [])):
        jobs = client.simulate_get(f"/jobs?since=2020-01-01T00:00:00Z&state={state}").json["jobs"]
        assert [(job["state"], job["source"]) for job in jobs] == listed


def test_without_accounting_such_a_job_is_said_to_be_lost(client: Client, gateway: MemoryGateway) -> None:
    gateway.has_accounting = False
    job_id = submit(gateway)
    wait_until(lambda: state_and_source(client, job_id) == ("PENDING", "controller"), "it is seen")
    gateway.forget(job_id)
    wait_until(lambda: state_and_source(client, job_id)[1] == "memory", "it is gone")
    job = client.simulate_get(f"/jobs/{job_id}").json
    assert (job["finished"], "how it ended was not seen" in job["explanation"]) == (False, True)


def test_dead_accounting_is_told_where_it_would_have_been_asked(client: Client, gateway: MemoryGateway) -> None:
    gateway.accounting_is_dead = True
    known = submit(gateway)
    wait_until(lambda: client.simulate_get(f"/jobs/{known}").status_code == 200, "it is seen")
    unknown = client.simulate_get("/jobs/99")
    assert (unknown.status_code, unknown.json["type"]) == (503, "urn:tsm-slurm-bridge:accounting-unreachable")
    listed = client.simulate_get("/jobs?since=2020-01-01T00:00:00Z")
    assert (listed.status_code, len(listed.json["jobs"])) == (200, 1)
    assert "accounting" in listed.json["missing"]
    gateway.accounting_is_dead = False
    wait_until(lambda: client.simulate_get("/jobs/99").status_code == 404, "accounting is asked again")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("/jobs?kind=other", "kind"),
        ("/jobs?state=DONE", "state.0"),
        ("/jobs?thing_uuid=1", "thing_uuid"),
        ("/jobs?since=yesterday", "since"),
        ("/jobs?since=1764000000", "since"),
        ("/jobs?since=2026-01-01T00:00:00", "since"),
        ("/jobs?limit=0", "limit"),
        ("/jobs?limit=1001", "limit"),
        ("/jobs?limit=1&limit=2", "limit"),
        ("/jobs?cursor=first", "cursor"),
        ("/jobs?page=2", "page"),
        ("/jobs/1?wait=-1", "wait"),
        ("/jobs/1?wait=301", "wait"),
        ("/jobs/1?wait=inf", "wait"),
    ],
)
def test_a_bad_question_is_refused(client: Client, query: str, field: str) -> None:
    result = client.simulate_get(query)
    assert (result.status_code, [error["field"] for error in result.json["errors"]]) == (422, [field])


@pytest.mark.parametrize(
    "body", ["{}", '{"ids": "1"}', '{"ids": [1]}', json.dumps({"ids": ["1"] * 1001}), '{"ids": [], "wait": 1}']
)
def test_a_bad_question_about_many_is_refused(client: Client, body: str) -> None:
    assert client.simulate_post("/jobs/query", body=body, content_type="application/json").status_code == 422


@pytest.mark.parametrize("path", ["/jobs", "/jobs/query"])
def test_of_countless_faults_a_hundred_are_told(client: Client, path: str) -> None:
    method = "POST" if path == "/jobs/query" else "GET"
    query = "&".join(f"p{number}=1" for number in range(2000))
    answer = client.simulate_request(
        method, path, query_string=query, headers={"Content-Type": "application/json"}, body='{"ids":[]}'
    )
    assert (answer.status_code, len(answer.json["errors"])) == (422, 100)


def test_too_many_who_wait_are_answered_at_once(client: Client, gateway: MemoryGateway) -> None:
    job_id = submit(gateway)
    wait_until(lambda: client.simulate_get(f"/jobs/{job_id}").status_code == 200, "it is seen")
    with ThreadPoolExecutor(2) as clients:
        waiting = [clients.submit(client.simulate_get, f"/jobs/{job_id}?wait=20") for _ in range(2)]
        time.sleep(0.3)
        begun_at = time.monotonic()
        refused = client.simulate_get(f"/jobs/{job_id}?wait=20")
        assert time.monotonic() - begun_at < 1.0
        assert (refused.status_code, refused.json["state"], refused.headers["Retry-After"]) == (200, "PENDING", "1")
        end(gateway, job_id)
        assert [answer.result().json["state"] for answer in waiting] == ["COMPLETED", "COMPLETED"]
    assert time.monotonic() - begun_at < 5.0


def test_no_caller_takes_all_places_for_waiting(gateway: MemoryGateway) -> None:
    job_id = submit(gateway)
    waiting: set[int] = set()
    with running_application(gateway, settings(max_waiting_clients=8), FORGETFUL) as client:

        def wait(address: str) -> falcon.testing.Result:
            def note() -> bool:
                waiting.add(threading.get_ident())
                return False

            return client.simulate_get(f"/jobs/{job_id}?wait=60", extras={"REMOTE_ADDR": address, HAS_HUNG_UP: note})

        with ThreadPoolExecutor(8) as clients:
            greedy = [clients.submit(wait, "192.0.2.1") for _ in range(7)]
            wait_until(lambda: len(waiting) == 7, "it has its share")
            assert wait("192.0.2.1").headers["Retry-After"] == "1"
            other = clients.submit(wait, "192.0.2.2")
            wait_until(lambda: len(waiting) == 8, "another one is let wait")
            end(gateway, job_id)
            assert {answer.result().json["state"] for answer in [*greedy, other]} == {"COMPLETED"}


def test_waiting_ends_when_the_client_has_gone(client: Client, gateway: MemoryGateway) -> None:
    job_id = submit(gateway)
    wait_until(lambda: client.simulate_get(f"/jobs/{job_id}").status_code == 200, "it is seen")
    has_gone = threading.Event()
    with ThreadPoolExecutor(1) as clients:
        extras = {HAS_HUNG_UP: has_gone.is_set}
        waiting = clients.submit(client.simulate_get, f"/jobs/{job_id}?wait=300", extras=extras)
        time.sleep(0.3)
        assert not waiting.done()
        has_gone.set()
        assert waiting.result(20).json["state"] == "PENDING"


def test_waiting_stops_at_the_first_change(client: Client, gateway: MemoryGateway) -> None:
    job_id = submit(gateway)
    wait_until(lambda: client.simulate_get(f"/jobs/{job_id}").status_code == 200, "it is seen")
    with ThreadPoolExecutor(1) as clients:
        waiting = clients.submit(client.simulate_get, f"/jobs/{job_id}?wait=20")
        time.sleep(0.1)
        gateway.put(job_id, {"state_reason": "Resources"})  # no change of state
        time.sleep(0.1)
        assert not waiting.done()
        gateway.put(job_id, {"state": "RUNNING", "nodes": "n1"})
        assert waiting.result().json["state"] == "RUNNING"


def test_who_has_another_version_does_not_wait(client: Client, gateway: MemoryGateway) -> None:
    job_id = submit(gateway)
    begun_at = time.monotonic()
    result = client.simulate_get(f"/jobs/{job_id}?wait=20", headers={"If-None-Match": 'W/"another"'})
    assert (result.status_code, time.monotonic() - begun_at < 5) == (200, True)


def test_a_change_seen_by_a_look_is_not_missed_by_one_who_begins_to_wait(gateway: MemoryGateway) -> None:
    """The state has changed between the answer's first look at the board and the wait."""
    look = QueueCache(gateway, SubmissionLedger(), ControllerTrust(), max_waiting=8)
    job_id = submit(gateway)
    look.start()
    wait_until(lambda: look.find(job_id), "it is seen")
    begun_at = time.monotonic()
    assert look.wait_for_change(job_id, "RUNNING", Deadline.after(20))
    assert time.monotonic() - begun_at < 1
    look.close()


def test_a_page_ends_where_the_next_begins(client: Client, gateway: MemoryGateway) -> None:
    ids = [submit(gateway) for _ in range(25)]
    wait_until(lambda: client.simulate_get(f"/jobs/{ids[-1]}").status_code == 200, "they are seen")
    seen: list[str] = []
    cursor = ""
    while True:
        page = client.simulate_get(f"/jobs?limit=10{cursor}").json
        seen += [job["job_id"] for job in page["jobs"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == ids[::-1]


def test_jobs_are_listed_as_they_were_submitted_though_ids_begin_anew(client: Client, gateway: MemoryGateway) -> None:
    ids = [submit(gateway) for _ in range(4)]
    as_submitted = [ids[1], ids[0], ids[3], ids[2]]
    for age, job_id in enumerate(as_submitted):
        gateway.put(job_id, {"submit_time": int(time.time()) - 100 * age})

    def listed(query: str) -> list[str]:
        return [job["job_id"] for job in client.simulate_get(f"/jobs{query}").json["jobs"]]

    wait_until(lambda: listed("") == as_submitted, "they are listed in that order")
    cursor = client.simulate_get("/jobs?limit=3").json["next_cursor"]
    assert [listed("?limit=3"), listed(f"?cursor={cursor}")] == [as_submitted[:3], as_submitted[3:]]


def test_a_cancelled_job_may_be_cancelled_again(client: Client, gateway: MemoryGateway) -> None:
    job_id = submit(gateway)
    wait_until(lambda: client.simulate_get(f"/jobs/{job_id}").status_code == 200, "it is seen")
    assert client.simulate_delete(f"/jobs/{job_id}").status_code == 202
    wait_until(lambda: state_and_source(client, job_id)[0] == "CANCELLED", "it is cancelled")
    assert client.simulate_delete(f"/jobs/{job_id}").status_code == 202
    assert client.simulate_delete("/jobs/99").status_code == 404


def test_elements_of_an_array_share_a_key_and_are_no_duplicates(gateway: MemoryGateway) -> None:
    job_id = submit(gateway)
    snapshot = gateway.find(job_id, Deadline.after(1))
    assert snapshot is not None
    jobs = own_jobs([structs.replace(snapshot, job_id=f"20_{index}") for index in range(3)])
    shown = QueueSnapshot()
    shown.apply(QueueChange(is_full=True, jobs=(), gone=()), jobs, time.time())
    assert shown.shared_keys() == []
    assert [job.snapshot.job_id for job in shown.newest_first([])] == ["20_2", "20_1", "20_0"]


def test_who_has_cancelled_a_job_that_ran_again(client: Client, gateway: MemoryGateway) -> None:
    job_id = submit(gateway)
    for who, submitted_at in (("alice", 1000), ("bob", 2000)):  # the second time after somebody has run it again
        gateway.put(job_id, {"state": "PENDING", "end_time": None, "submit_time": submitted_at, "cancelled_by": None})
        wait_until(lambda: state_and_source(client, job_id)[0] == "PENDING", "it waits")
        ended = {"state": "CANCELLED", "end_time": submitted_at + 1, "cancelled_by": who}
        gateway.put(job_id, ended)
        wait_until(lambda: state_and_source(client, job_id)[0] == "CANCELLED", "it is cancelled")
        explanation = client.simulate_get(f"/jobs/{job_id}").json["explanation"]
        assert explanation == f"was cancelled while it waited, by {who}"
