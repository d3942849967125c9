"""The routes as a client meets them, on the in-memory gateway."""

import json
import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import falcon.testing
import pytest

from bridge.core.deadline import Deadline
from bridge.services import USUAL_TUNING
from tests.support.application import running_application
from tests.support.memory_gateway import MemoryGateway
from tests.support.samples import OUTPUT_FOLDER, PARSE_BODY, QAQC_BODY, THING, descriptor, settings

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def gateway() -> MemoryGateway:
    return MemoryGateway()


@pytest.fixture
def client(gateway: MemoryGateway) -> Iterator[falcon.testing.TestClient]:
    with running_application(gateway, settings(request_timeout_seconds=0.2)) as client:
        yield client


def post(client: falcon.testing.TestClient, path: str, body: Any, **headers: str) -> falcon.testing.Result:
    return client.simulate_post(path, body=json.dumps(body), headers={**JSON, **headers})


def assert_problem(result: falcon.testing.Result, status: int, problem_type: str, *, retryable: bool = False) -> None:
    assert result.status_code == status
    assert result.headers["content-type"] == "application/problem+json"
    problem = result.json
    assert problem["type"] == f"urn:tsm-slurm-bridge:{problem_type}"
    assert problem["status"] == status
    assert problem["retryable"] is retryable
    assert problem["request_id"] == result.headers["x-request-id"]
    assert problem["out"] == ""
    assert problem["code"] != 0
    assert all(problem[name] for name in ("title", "detail", "instance", "err"))
    assert ("retry-after" in result.headers) is retryable


@pytest.mark.parametrize(
    ("path", "body", "kind"),
    [
        pytest.param("/extractor/run", PARSE_BODY, "parse", id="file-dispatcher"),
        pytest.param("/qaqc/run", QAQC_BODY, "qaqc", id="qaqc-dispatcher"),
    ],
)
def test_existing_clients_get_what_they_read(
    client: falcon.testing.TestClient, gateway: MemoryGateway, path: str, body: dict[str, str], kind: str
) -> None:
    result = post(client, path, body, **{"X-Request-ID": "my-id_1.2"})
    assert result.status_code == 202
    assert result.headers["location"] == "/jobs/1"
    assert result.json == {
        "job_id": "1",
        "state": "PENDING",
        "kind": kind,
        "thing_uuid": THING,
        "request_id": "my-id_1.2",
        "href": "/jobs/1",
        "code": 0,
        "err": "",
        "out": "Submitted batch job 1",
    }
    descriptor = gateway.descriptors["1"]
    assert descriptor.name == kind
    comment = json.loads(descriptor.comment)
    assert (comment["kind"], comment["thing"], comment["req"]) == (kind, THING, "my-id_1.2")
    assert len(comment["key"]) == len(comment["dig"]) == 32
    assert descriptor.stdout_path == f"/work/sontsm/{kind}-%j.out"


def test_the_job_can_be_read_at_once(client: falcon.testing.TestClient) -> None:
    post(client, "/extractor/run", PARSE_BODY)
    job = client.simulate_get("/jobs/1").json
    assert (job["state"], job["finished"], job["kind"], job["thing_uuid"]) == ("PENDING", False, "parse", THING)


@pytest.mark.parametrize("offered", ["", "a b", "x" * 65, "é", 'a"b'], ids=["empty", "blank", "long", "latin", "quote"])
def test_an_odd_request_id_is_replaced(client: falcon.testing.TestClient, offered: str) -> None:
    result = client.simulate_get("/health", headers={"X-Request-ID": offered})
    assert len(result.headers["x-request-id"]) == 32


@pytest.mark.parametrize(
    ("body", "headers", "status", "problem_type"),
    [
        pytest.param(b"{", JSON, 400, "malformed-json", id="not-json"),
        pytest.param(b"[]", JSON, 400, "malformed-json", id="not-an-object"),
        pytest.param(b"", JSON, 400, "malformed-json", id="no-body"),
        pytest.param(b"{}", {}, 415, "unsupported-media-type", id="no-content-type"),
        pytest.param(b"{}", {"Content-Type": "text/plain"}, 415, "unsupported-media-type", id="text"),
        pytest.param(
            b"{}", {"Content-Type": "application/json; charset=latin1"}, 415, "unsupported-media-type", id="latin1"
        ),
        pytest.param(b"{}", {**JSON, "Content-Encoding": "gzip"}, 415, "unsupported-media-type", id="gzip"),
        pytest.param(b"{}", JSON, 422, "invalid-request", id="nothing-in-it"),
    ],
)
def test_bad_bodies_submit_nothing(
    client: falcon.testing.TestClient,
    gateway: MemoryGateway,
    body: bytes,
    headers: dict[str, str],
    status: int,
    problem_type: str,
) -> None:
    assert_problem(client.simulate_post("/extractor/run", body=body, headers=headers), status, problem_type)
    assert gateway.descriptors == {}


@pytest.mark.parametrize("parameters", ["; charset=UTF-8", ';charset="utf-8"', "; charset=utf8; x=y"])
def test_utf_8_may_be_declared(client: falcon.testing.TestClient, parameters: str) -> None:
    result = post(client, "/qaqc/run", QAQC_BODY, **{"Content-Type": f"application/json{parameters}"})
    assert result.status_code == 202


@pytest.mark.parametrize("path", ["/health", "/ready", "/jobs/1"])
def test_head_is_get_without_a_body(client: falcon.testing.TestClient, path: str) -> None:
    post(client, "/extractor/run", PARSE_BODY)
    result = client.simulate_head(path)
    assert (result.status_code, result.text) == (200, "")


def test_a_full_house_refuses_at_once(gateway: MemoryGateway) -> None:
    with (
        running_application(gateway, settings(request_timeout_seconds=2, threads=12), USUAL_TUNING) as client,
        ThreadPoolExecutor(8) as clients,
    ):
        post(client, "/extractor/run", PARSE_BODY)
        gateway.is_paused = True
        waiting = [clients.submit(post, client, "/extractor/run", PARSE_BODY) for _ in range(8)]
        time.sleep(0.3)
        started_at = time.monotonic()
        assert_problem(post(client, "/extractor/run", PARSE_BODY), 503, "overloaded", retryable=True)
        assert client.simulate_get("/jobs/1").status_code == 200
        assert client.simulate_get("/health").status_code == 200
        assert time.monotonic() - started_at < 0.5
        assert {call.result().json["type"] for call in waiting} == {"urn:tsm-slurm-bridge:outcome-unknown"}


def test_every_bad_field_is_listed(client: falcon.testing.TestClient) -> None:
    result = post(client, "/extractor/run", {**PARSE_BODY, "parser": "a;b", "extra": 1})
    assert_problem(result, 422, "invalid-request")
    assert {error["field"] for error in result.json["errors"]} == {"parser", "extra"}


@pytest.mark.parametrize("path", ["/extractor/run?x=1", "/qaqc/run?wait=1"])
def test_a_query_that_no_route_knows_is_refused(client: falcon.testing.TestClient, path: str) -> None:
    assert_problem(post(client, path, PARSE_BODY), 422, "invalid-request")


@pytest.mark.parametrize(
    ("method", "path", "status", "problem_type"),
    [
        pytest.param("GET", "/nowhere", 404, "not-found", id="unknown-route"),
        pytest.param("POST", "/extractor/rerun", 404, "not-found", id="route-of-a-later-version"),
        pytest.param("GET", "/extractor/run", 405, "method-not-allowed", id="wrong-method"),
        pytest.param("DELETE", "/health", 405, "method-not-allowed", id="wrong-method-health"),
        pytest.param("GET", "/jobs/99", 404, "not-found", id="unknown-job"),
        pytest.param("GET", "/jobs/abc", 404, "not-found", id="job-id-no-number"),
        pytest.param("GET", "/jobs/0", 404, "not-found", id="job-id-zero"),
        pytest.param("GET", "/jobs/99999999999", 404, "not-found", id="job-id-too-large"),
        pytest.param("GET", "/jobs/1%0a", 404, "not-found", id="job-id-newline"),
        pytest.param("GET", "/jobs/1?format=xml", 422, "invalid-request", id="unknown-parameter"),
    ],
)
def test_what_is_not_there(
    client: falcon.testing.TestClient, method: str, path: str, status: int, problem_type: str
) -> None:
    assert_problem(client.simulate_request(method, path), status, problem_type)


def test_a_wrong_method_is_told_the_right_ones(client: falcon.testing.TestClient) -> None:
    assert "POST" in client.simulate_get("/qaqc/run").headers["allow"]


def test_jobs_of_others_are_not_found(client: falcon.testing.TestClient, gateway: MemoryGateway) -> None:
    gateway.submit(descriptor(OUTPUT_FOLDER, comment="my own job"), Deadline.after(1))
    assert_problem(client.simulate_get("/jobs/1"), 404, "not-found")


def test_a_dead_controller(client: falcon.testing.TestClient, gateway: MemoryGateway) -> None:
    gateway.is_dead = True
    result = post(client, "/extractor/run", PARSE_BODY)
    assert_problem(result, 503, "controller-unreachable", retryable=True)
    assert (result.json["code"], result.json["err"]) == (
        1800,
        "Unable to contact slurm controller (connect failure)",
    )
    assert client.simulate_get("/health").json == {"status": "ok"}
    ready = client.simulate_get("/ready")
    assert ready.status_code == 503
    failed = {name for name, check in ready.json["checks"].items() if not check["ok"]}
    # A board that saw the queue before stays good for a while.
    assert {"controller"} <= failed <= {"controller", "board"}


def test_a_silent_controller(client: falcon.testing.TestClient, gateway: MemoryGateway) -> None:
    gateway.is_paused = True
    result = post(client, "/extractor/run", PARSE_BODY)
    assert_problem(result, 503, "outcome-unknown", retryable=True)
    assert len(result.json["idempotency_key"]) == 32
    assert_problem(client.simulate_get("/jobs/1"), 503, "controller-unreachable", retryable=True)


def test_slurms_refusal(gateway: MemoryGateway) -> None:
    kind = settings().parse.model_copy(update={"partition": "nowhere"})
    with running_application(gateway, settings(parse=kind)) as client:
        result = post(client, "/extractor/run", PARSE_BODY)
    assert_problem(result, 502, "slurm-refused")
    assert (result.json["code"], result.json["err"]) == (2000, "Invalid partition name specified")


def test_ready(client: falcon.testing.TestClient) -> None:
    result = client.simulate_get("/ready")
    assert result.status_code == 200
    assert result.json["checks"]["controller"] == {"ok": True, "detail": "answers"}
    assert result.json["checks"]["workers"] == {"ok": True, "detail": "1 of 1 are running"}
    assert "accounting" not in result.json["checks"]


def test_ready_on_a_cluster_with_accounting() -> None:
    with running_application(MemoryGateway(has_accounting=True), settings()) as client:
        client.simulate_get("/jobs")  # until the board has been seen
        result = client.simulate_get("/ready")
    assert (result.status_code, result.json["status"]) == (200, "ready")
    assert result.json["checks"]["accounting"] == {"ok": True, "detail": "slurmdbd answers"}


@pytest.mark.parametrize(
    ("is_well", "status", "detail"),
    [(True, "ready", "2 controllers answer"), (False, "degraded", "no answer from ctl2")],
    ids=["well", "dead"],
)
def test_a_backup_controller_takes_no_bridge_out(is_well: bool, status: str, detail: str) -> None:
    gateway = MemoryGateway()
    gateway.backups["ctl2"] = is_well
    with running_application(gateway, settings()) as client:
        client.simulate_get("/jobs")
        result = client.simulate_get("/ready")
    assert (result.status_code, result.json["status"]) == (200, status)
    assert result.json["checks"]["failover"] == {"ok": is_well, "detail": detail}
    assert result.json["checks"]["controller"]["ok"]


def test_dead_accounting_takes_no_bridge_out() -> None:
    gateway = MemoryGateway(has_accounting=True)
    gateway.accounting_is_dead = True
    with running_application(gateway, settings()) as client:
        client.simulate_get("/jobs")
        result = client.simulate_get("/ready")
    assert (result.status_code, result.json["status"]) == (200, "degraded")
    assert [name for name, check in result.json["checks"].items() if not check["ok"]] == ["accounting"]
    assert post(client, "/extractor/run", PARSE_BODY).status_code == 202


def test_a_bug_is_for_the_log_only(
    client: falcon.testing.TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def bug(*_arguments: object) -> None:
        raise RuntimeError("canary")

    monkeypatch.setattr(MemoryGateway, "submit", bug)
    with caplog.at_level(logging.ERROR):
        result = post(client, "/extractor/run", PARSE_BODY)
    assert_problem(result, 500, "internal-error")
    assert "canary" not in result.text
    assert "canary" in caplog.text


def test_nothing_secret_is_logged(client: falcon.testing.TestClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        post(client, "/extractor/run", PARSE_BODY)
        post(client, "/extractor/run", {**PARSE_BODY, "target": "mysql://u:secret@h"})
        client.simulate_get("/jobs/1?token=secret")
    assert len(caplog.records) >= 3
    assert not [record for record in caplog.records if "secret" in repr(vars(record))]
