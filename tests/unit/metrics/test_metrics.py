"""`GET /metrics`: each end of a job is counted once, whatever the queue's picture goes through."""

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import falcon.testing
import pytest
from msgspec.structs import replace
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from bridge.cli import main as cli
from bridge.core.deadline import Deadline
from bridge.core.errors import BridgeError
from bridge.http.routes import ROUTES
from bridge.jobs.requests.kinds import KIND_NAMES
from bridge.jobs.status.explanations import STATES
from bridge.jobs.status.job_changes import JobChange
from bridge.jobs.status.job_view import Job, own_jobs
from bridge.metrics.job_counters import JobCounters
from bridge.services import Services
from bridge.slurm.gateway import Gateway
from bridge.slurm.messages import Cancel, Requeue
from tests.contract.gateway import cancellation
from tests.support.application import FAST, running_application
from tests.support.figures import Figures, read_figures
from tests.support.memory_gateway import MemoryGateway
from tests.support.samples import OUTPUT_FOLDER, PARSE_BODY, QAQC_BODY, descriptor, settings
from tests.support.waiting import wait_until

Client = falcon.testing.TestClient
SERIES_MAX = 600
SOON = Deadline.after(3600)


@pytest.fixture
def gateway() -> MemoryGateway:
    return MemoryGateway()


@pytest.fixture
def client(gateway: MemoryGateway) -> Iterator[Client]:
    with running_application(gateway, settings()) as client:
        yield client


def figures(client: Client) -> Figures:
    answer = client.simulate_get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return read_figures(answer.text)


def submit(client: Client, kind: str = "qaqc", **headers: str) -> str:
    path, body = {"qaqc": ("/qaqc/run", QAQC_BODY), "parse": ("/extractor/run", PARSE_BODY)}[kind]
    return str(client.simulate_post(path, json=body, headers=headers).json["job_id"])


def end(client: Client, gateway: MemoryGateway, job_id: str, state: str = "COMPLETED", **fields: Any) -> None:
    """The job has run for 7 s after it had waited for 20 s, and that was seen."""
    now = int(time.time())
    times = {"submit_time": now - 27, "start_time": now - 7, "end_time": now, "nodes": "n1"}
    gateway.put(job_id, {"state": state, **times, **fields})
    see(client, job_id, state)


def see(client: Client, job_id: str, state: str) -> None:
    wait_until(lambda: client.simulate_get(f"/jobs/{job_id}").json["state"] == state, f"{state} is seen")


def finished(client: Client, kind: str = "qaqc") -> dict[str, float]:
    """How many jobs of the kind ended, by how; those of which some did."""
    of_kind = {key[-1]: n for key, n in figures(client).items() if key[:2] == ("jobs_finished_total", kind)}
    return {outcome: count for outcome, count in of_kind.items() if count}


def test_ends_are_counted_by_kind_and_outcome(client: Client, gateway: MemoryGateway) -> None:
    ends = [("qaqc", "COMPLETED"), ("qaqc", "COMPLETED"), ("qaqc", "OUT_OF_MEMORY"), ("parse", "FAILED")]
    for kind, state in ends:
        end(client, gateway, submit(client, kind), state)
    assert finished(client) == {"completed": 2, "out_of_memory": 1}
    assert finished(client, "parse") == {"failed": 1}


def test_how_long_jobs_waited_and_ran(client: Client, gateway: MemoryGateway) -> None:
    for _ in range(2):
        end(client, gateway, submit(client))
    seen = figures(client)
    assert (seen["job_wait_seconds_count", "qaqc"], seen["job_wait_seconds_sum", "qaqc"]) == (2, 40)
    assert (seen["job_run_seconds_count", "qaqc"], seen["job_run_seconds_sum", "qaqc"]) == (2, 14)
    assert [seen["job_run_seconds_bucket", "qaqc", bound] for bound in ("5.0", "15.0")] == [0, 2]


@pytest.mark.parametrize(("started_seconds_ago", "waits"), [(-1, 1), (60, 0)], ids=["begins", "began-before"])
def test_a_job_that_no_look_has_shown_waiting(gateway: MemoryGateway, started_seconds_ago: int, waits: int) -> None:
    registry = CollectorRegistry()
    counters = JobCounters(registry)
    gateway.submit(descriptor(OUTPUT_FOLDER), SOON)
    now = int(time.time())
    gateway.put(
        "1", {"state": "RUNNING", "submit_time": now - 90, "start_time": now - started_seconds_ago, "nodes": "n1"}
    )
    snapshot = gateway.find("1", SOON)
    assert snapshot is not None
    counters.observe([JobChange(None, job) for job in own_jobs([snapshot])])
    assert (registry.get_sample_value("tsm_bridge_job_wait_seconds_count", {"kind": "parse"}) or 0) == waits


def test_a_job_that_never_ran_has_no_run_time(client: Client, gateway: MemoryGateway) -> None:
    end(client, gateway, submit(client), "CANCELLED", nodes=None)
    assert finished(client) == {"cancelled": 1}
    assert ("job_run_seconds_count", "qaqc") not in figures(client)


def test_an_end_is_counted_once_when_the_queue_is_read_anew(client: Client, gateway: MemoryGateway) -> None:
    first, second = submit(client), submit(client)
    end(client, gateway, first)
    gateway.tell_all_again()
    end(client, gateway, second)
    assert finished(client) == {"completed": 2}


def test_an_end_is_counted_once_when_the_controller_forgets_the_job(client: Client, gateway: MemoryGateway) -> None:
    job_id = submit(client)
    end(client, gateway, job_id)
    gateway.forget(job_id)
    wait_until(lambda: client.simulate_get(f"/jobs/{job_id}").json["source"] == "memory", "it is forgotten")
    assert finished(client) == {"completed": 1}


def test_a_job_that_runs_again_ends_again(client: Client, gateway: MemoryGateway) -> None:
    job_id = submit(client)
    end(client, gateway, job_id, "NODE_FAIL")
    gateway.put(job_id, {"state": "PENDING", "nodes": None, "restarts": 1})
    see(client, job_id, "PENDING")
    end(client, gateway, job_id)
    assert finished(client) == {"node_fail": 1, "completed": 1}


def test_an_end_that_was_not_seen(client: Client, gateway: MemoryGateway) -> None:
    job_id = submit(client)
    wait_until(lambda: figures(client).get(("jobs", "qaqc", "PENDING")) == 1, "it is in the queue")
    gateway.forget(job_id)
    wait_until(lambda: finished(client) == {"unseen": 1}, "it is counted")


def test_what_ended_before_the_bridge_was_started_is_not_counted(gateway: MemoryGateway) -> None:
    with running_application(gateway, settings()) as first:
        job_id = submit(first)
        end(first, gateway, job_id, end_time=int(time.time()) - 60)
    gateway.tell_all_again()
    with running_application(gateway, settings()) as second:
        wait_until(lambda: figures(second).get(("jobs", "qaqc", "COMPLETED")) == 1, "the queue is seen")
        assert finished(second) == {}


def test_an_id_that_a_crash_gives_to_another_job(client: Client, gateway: MemoryGateway) -> None:
    end(client, gateway, submit(client))
    gateway.put("1", {"comment": gateway.descriptors["1"].comment.replace('"key":"', '"key":"other-')})
    wait_until(lambda: finished(client) == {"completed": 2}, "the other one is counted, too")


def test_the_queue_by_state_and_reason(client: Client, gateway: MemoryGateway) -> None:
    for _ in range(4):
        submit(client)
    reasons: list[dict[str, Any]] = [
        {"state_reason": "Resources", "submit_time": int(time.time()) - 100},
        {"state_reason": "ReqNodeNotAvail, UnavailableNodes:n1"},
        {"state": "RUNNING", "nodes": "n1"},
    ]
    for number, fields in enumerate(reasons, start=1):
        gateway.put(str(number), fields)
    see(client, "3", "RUNNING")
    seen = figures(client)
    assert seen["jobs", "qaqc", "PENDING"] == 3
    assert seen["jobs", "qaqc", "RUNNING"] == 1
    waiting = {key[-1]: count for key, count in seen.items() if key[0] == "jobs_waiting"}
    assert waiting == {"Resources": 1, "ReqNodeNotAvail": 1, "None": 1}
    assert 100 <= seen["oldest_waiting_seconds", "qaqc"] < 160
    for number in range(1, 5):
        gateway.cancel(cancellation(gateway, str(number)), SOON)
    see(client, "4", "CANCELLED")
    assert figures(client)["oldest_waiting_seconds", "qaqc"] == 0
    assert ("jobs", "qaqc", "PENDING") not in figures(client)


def test_submissions_and_requests(client: Client, gateway: MemoryGateway) -> None:
    submit(client, **{"Idempotency-Key": "k"})
    submit(client, **{"Idempotency-Key": "k"})
    client.simulate_post("/qaqc/run", json={})
    gateway.is_dead = True
    client.simulate_post("/qaqc/run", json=QAQC_BODY)
    client.simulate_get("/jobs/99")
    client.simulate_get("/nowhere")
    seen = figures(client)
    outcomes = {key[-1]: count for key, count in seen.items() if key[:2] == ("submissions_total", "qaqc")}
    assert outcomes == {"accepted": 1, "replayed": 1, "invalid-request": 1, "controller-unreachable": 1}
    assert seen["http_requests_total", "/qaqc/run", "422"] == 1
    assert seen["http_requests_total", "(none)", "404"] == 1
    assert seen["http_request_seconds_count", "/qaqc/run"] == 4
    assert seen["http_problems_total", "invalid-request"] == 1


def test_calls_to_slurm(client: Client, gateway: MemoryGateway) -> None:
    submit(client)
    gateway.is_dead = True
    client.simulate_post("/qaqc/run", json=QAQC_BODY)
    seen = figures(client)
    assert seen["slurm_rpc_seconds_count", "submit", "answered"] == 1
    assert seen["slurm_rpc_seconds_count", "submit", "failed"] == 1


def test_a_scrape_needs_no_slurm(client: Client, gateway: MemoryGateway) -> None:
    wait_until(lambda: figures(client)["board_age_seconds",] < 60, "the queue has been seen")
    gateway.is_dead = True
    assert figures(client)["build_info", "0.1.0"] == 1


def test_it_needs_the_scope(gateway: MemoryGateway, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "tokens"
    for scope in ("metrics", "read"):
        assert cli.main(["token", "create", "--token-file", str(file), "--name", scope, "--scope", scope]) == 0
    tokens = capsys.readouterr().out.splitlines()
    with running_application(gateway, settings(token_file=file)) as client:
        statuses = [
            client.simulate_get("/metrics", headers={"Authorization": f"Bearer {token}"}).status_code
            for token in (*tokens, "none")
        ]
    assert statuses == [200, 403, 401]


def test_each_job_of_a_batch_counts(client: Client) -> None:
    for _ in range(2):
        client.simulate_post("/qaqc/batch", json={"items": [QAQC_BODY] * 3}, headers={"Idempotency-Key": "k"})
    client.simulate_post("/qaqc/batch", json={"items": [QAQC_BODY, {}]})
    seen = figures(client)
    outcomes = {key[-1]: count for key, count in seen.items() if key[:2] == ("submissions_total", "qaqc")}
    assert outcomes == {"accepted": 3, "replayed": 3, "invalid-request": 1}


def test_there_are_never_more_series_than_a_prometheus_likes(gateway: MemoryGateway) -> None:
    """Every label gets every value that it can have."""
    services = Services.of(settings(), gateway, b"secret", FAST)
    metrics = services.metrics
    gateway.submit(descriptor(OUTPUT_FOLDER), SOON)
    problems = [error.type for error in BridgeError.__subclasses__()]
    for route in [*(route.path for route in ROUTES), "(none)"]:
        for status in (200, 202, 401, 404, 422, 503):
            metrics.requests.note_answer(route, status, 0.1, None)
    for problem in problems:
        metrics.requests.note_answer("/jobs", 200, 0.1, problem)
    for kind in KIND_NAMES:
        for outcome in ("accepted", "replayed", *problems[:10]):
            metrics.requests.note_submission(kind, outcome)
        jobs = [_job(gateway, kind, state) for state in STATES]
        jobs += [_job(gateway, kind, "PENDING", f"Reason{number}") for number in range(100)]
        for observe in metrics.observers:
            observe([JobChange(None, job, is_end=job.is_finished) for job in jobs])
            observe([JobChange(_job(gateway, kind, "RUNNING"), None)])
    for is_dead in (False, True):
        gateway.is_dead = is_dead
        _call_everything(services.gateway)
    text = metrics.text().decode()
    assert len(metrics.tally.reasons()) == 11 * len(KIND_NAMES)
    assert 300 < sum(len(family.samples) for family in text_string_to_metric_families(text)) <= SERIES_MAX
    assert {family.name[:11] for family in text_string_to_metric_families(text)} == {"tsm_bridge_"}


def _job(gateway: MemoryGateway, kind: str, state: str, reason: str | None = None) -> Job:
    snapshot = gateway.find("1", SOON)
    assert snapshot is not None
    fields: dict[str, Any] = {"state": state, "state_reason": reason, "nodes": "n1", "start_time": 1, "end_time": 2}
    comment = snapshot.comment.replace('"kind":"parse"', f'"kind":"{kind}"')
    (job,) = own_jobs([replace(snapshot, comment=comment, **fields)])
    return job


def _call_everything(gateway: Gateway) -> None:
    for call in (
        lambda: gateway.submit(descriptor(OUTPUT_FOLDER), SOON),
        lambda: gateway.find("1", SOON),
        lambda: gateway.queue(SOON),
        lambda: gateway.cancel(Cancel("1", "", None), SOON),
        lambda: gateway.release("1", SOON),
        lambda: gateway.requeue([Requeue("1", "", None)], SOON),
        lambda: gateway.controller(SOON),
        lambda: gateway.ping(SOON),
        lambda: gateway.find_past("1", SOON),
        lambda: gateway.past(0, 1, SOON),
        lambda: gateway.ping_accounting(SOON),
        lambda: gateway.verify_token("t", SOON),
    ):
        with suppress(BridgeError):
            call()
