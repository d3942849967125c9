"""Which nodes are left out."""

import time
from typing import Any
from uuid import uuid4

import pytest
from msgspec.structs import replace

from bridge.config.kinds import KindSettings
from bridge.jobs.failures.bad_nodes import BadNodes
from bridge.jobs.status.job_changes import JobChange
from bridge.jobs.status.job_view import Job
from tests.support.application import running_application
from tests.support.memory_gateway import MemoryGateway
from tests.support.samples import PARSE_BODY, bridge_metadata, running_job, settings
from tests.support.waiting import wait_until


class Cluster:
    """Jobs that end, a second after each other."""

    def __init__(self, minutes: int = 10) -> None:
        self.nodes = BadNodes(minutes)
        self.number = 0

    def end(self, node: str, exit_code: int = 3, **changes: Any) -> None:
        self.number += 1
        metadata = replace(bridge_metadata(), thing_uuid=changes.pop("thing", uuid4()), lane=changes.pop("lane", None))
        how = {"state": "FAILED" if exit_code else "COMPLETED", "exit_code": exit_code, "nodes": node, **changes}
        ended_at = {"end_time": int(time.time()) - 60 + self.number}
        job = running_job(job_id=str(self.number), **{**ended_at, **how})
        self.nodes.observe([JobChange(None, Job(job, metadata), is_end=True)])


@pytest.fixture
def cluster() -> Cluster:
    cluster = Cluster()
    cluster.end("n1", 0)
    return cluster


def test_a_node_that_fails_jobs_of_several_things_is_left_out(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        cluster.end("n2")
    assert cluster.nodes.left_out("parse") == ()
    cluster.end("n2")
    assert cluster.nodes.left_out("parse") == ("n2",)
    assert [record.message for record in caplog.records] == ["a node is left out for a while"]
    assert time.time() + 590 < cluster.nodes.until()["n2"] <= time.time() + 600
    assert cluster.nodes.left_out("parse", "bulk") == cluster.nodes.left_out("qaqc") == ()


def test_after_a_while_it_gets_jobs_again(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        cluster.end("n2")
    later = time.time() + 601
    monkeypatch.setattr(time, "time", lambda: later)
    assert (cluster.nodes.left_out("parse"), cluster.nodes.until()) == ((), {})


def test_the_last_node_is_never_left_out(cluster: Cluster) -> None:
    for node in ("n1", "n2", "n2", "n2", "n1", "n1", "n1", "n1"):
        cluster.end(node)
    assert cluster.nodes.left_out("parse") == ("n2",)


def test_without_a_node_that_ends_jobs_well_none_is() -> None:
    cluster = Cluster()
    cluster.end("n1", 0, end_time=int(time.time()) - 3600)
    for _ in range(5):
        cluster.end("n2")
    cluster.end("n1", 0, lane="bulk")
    cluster.end("n2")
    assert cluster.nodes.until() == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"exit_code": 1},
        {"state": "CANCELLED"},
        {"state": "TIMEOUT"},
        {"end_time": 1},
        {"thing": uuid4()},
    ],
    ids=["wrong-data", "cancelled", "time-limit", "long-ago", "one-thing"],
)
def test_what_a_node_is_not_to_blame_for(cluster: Cluster, changes: dict[str, Any]) -> None:
    for _ in range(5):
        cluster.end("n2", **changes)
    assert cluster.nodes.until() == {}


def test_a_job_that_ends_well_between_them_speaks_for_the_node(cluster: Cluster) -> None:
    for exit_code in (3, 3, 0, 3, 3):
        cluster.end("n2", exit_code)
    assert cluster.nodes.until() == {}


def test_where_it_is_switched_off_nothing_is_left_out() -> None:
    cluster = Cluster(0)
    cluster.end("n1", 0)
    for _ in range(5):
        cluster.end("n2")
    assert cluster.nodes.until() == {}


def test_new_jobs_and_those_that_run_again_leave_it_out() -> None:
    gateway = MemoryGateway()
    command = ("/opt/python", "/opt/main.py")
    retried = KindSettings(extractor_command=command, retry_causes=frozenset({"exit_code_75"}))
    with running_application(gateway, settings(parse=retried, bad_node_minutes=10)) as client:
        assert client.simulate_get("/ready").json["checks"]["nodes"] == {"ok": True, "detail": "none is left out"}
        things = [str(uuid4()) for _ in range(4)]
        ids = [client.simulate_post("/extractor/run", json={**PARSE_BODY, "thing_uuid": thing}) for thing in things]
        good, *bad = [answer.json["job_id"] for answer in ids]
        ended = {"end_time": int(time.time()) - 1, "nodes": "n1", "state": "COMPLETED"}
        gateway.put(good, ended)
        wait_until(lambda: client.simulate_get(f"/jobs/{good}").json["finished"], "it has ended")
        for job_id in bad:
            gateway.put(job_id, {**ended, "nodes": "n2", "state": "FAILED", "exit_code": 3})
        wait_until(lambda: client.simulate_get("/failures").json["count"] == 3, "they have failed")
        for path, body in (("/extractor/run", PARSE_BODY), ("/extractor/batch", {"items": [PARSE_BODY]})):
            answer = client.simulate_post(path, json=body).json
            number = answer.get("job_id") or answer["array_job_ids"][0]
            assert gateway.descriptors[number].excluded_nodes == ("n2",)
        again = client.simulate_post("/extractor/run", json=PARSE_BODY).json["job_id"]
        gateway.put(again, {**ended, "state": "FAILED", "exit_code": 75})
        wait_until(lambda: gateway.excluded_nodes.get(again) == ("n2",), "it runs again elsewhere")
        assert client.simulate_post(f"/jobs/{bad[0]}/retry").status_code == 202
        (group,) = client.simulate_get("/failures").json["groups"]
        assert client.simulate_post("/failures/retry", json={"filter": group["filter"]}).json["count"] == 2
        assert [gateway.excluded_nodes[job_id] for job_id in bad] == [("n2",)] * 3
        time.sleep(1.1)  # for which /ready remembers
        ready = client.simulate_get("/ready")
        assert (ready.status_code, ready.json["status"]) == (200, "degraded")
        assert ready.json["checks"]["nodes"]["detail"].startswith("jobs fail on n2 until ")
