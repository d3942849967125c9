"""`bridge.client`, as a pipeline calls it, on the real application behind real HTTP."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bridge.client import (
    Bridge,
    BridgeUnreachableError,
    Job,
    NotAuthenticatedError,
    RefusedError,
    WaitTimedOutError,
)
from tests.support.memory_gateway import MemoryGateway
from tests.support.ports import free_port
from tests.support.samples import PARSE_BODY, QAQC_BODY, THING, settings
from tests.support.served_application import BUSY, ServedApplication, served_application
from tests.support.waiting import wait_until

RUNNING = {"state": "RUNNING", "start_time": 1, "nodes": "n1"}
COMPLETED = {"state": "COMPLETED", "end_time": 2, "nodes": "n1"}
QAQC: dict[str, Any] = QAQC_BODY
FAILED = {"state": "FAILED", "end_time": 2, "nodes": "n1", "exit_code": 3}


@pytest.fixture
def gateway() -> MemoryGateway:
    return MemoryGateway()


@pytest.fixture
def served(gateway: MemoryGateway, tmp_path: Path) -> Iterator[ServedApplication]:
    with served_application(gateway, settings(output_folder=tmp_path)) as served:
        yield served


@pytest.fixture
def bridge(served: ServedApplication) -> Bridge:
    return Bridge(served.url, patience_seconds=5)


def test_each_kind_of_job_is_submitted(bridge: Bridge, gateway: MemoryGateway) -> None:
    parse, qaqc = bridge.submit_parse(**PARSE_BODY), bridge.submit_qaqc(**QAQC)
    assert [(job.job_id, job.kind, str(job.thing_uuid)) for job in (parse, qaqc)] == [
        ("1", "parse", THING),
        ("2", "qaqc", THING),
    ]
    assert gateway.descriptors["1"].environment["TSM_SOURCE"] == PARSE_BODY["source"]
    assert gateway.descriptors["2"].environment["TSM_TARGET"] == QAQC_BODY["target"]


def test_a_parse_is_followed_by_quality_control(bridge: Bridge, gateway: MemoryGateway) -> None:
    done = bridge.submit_parse(**PARSE_BODY, qaqc=True)
    assert done.qaqc is not None
    assert bridge.status(done.qaqc.job_id).after_job_ids == (done.job_id,)
    batch = bridge.submit_batch("parse", [{**PARSE_BODY, "qaqc": True}, PARSE_BODY])
    assert [job.qaqc is not None for job in batch.jobs] == [True, False]


def test_a_batch_is_submitted_once(bridge: Bridge, gateway: MemoryGateway) -> None:
    items = [PARSE_BODY, {**PARSE_BODY, "source": "https://storage.example/other.csv"}]
    first, again = (bridge.submit_batch("parse", items, lane="bulk", key="k") for _ in range(2))
    assert [(job.index, job.job_id) for job in first.jobs] == [(0, "1_0"), (1, "1_1")]
    assert (first.array_job_ids, first.kind, first.lane) == (("1",), "parse", "bulk")
    assert again.jobs == first.jobs
    assert str(bridge.status("1_1").thing_uuid) == THING
    assert list(gateway.descriptors) == ["1"]


def test_quality_control_is_submitted_in_a_batch(bridge: Bridge) -> None:
    assert bridge.submit_batch("qaqc", [QAQC]).kind == "qaqc"


def test_a_period_and_settings_of_quality_control(bridge: Bridge, gateway: MemoryGateway) -> None:
    start, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
    bridge.submit_qaqc(**QAQC, start_date=start, end_date=end, project_uuid=THING, qc_settings_name="usual")
    variables = gateway.descriptors["1"].environment
    assert datetime.fromisoformat(variables["TSM_START"]) == start
    assert datetime.fromisoformat(variables["TSM_END"]) == end
    assert (variables["TSM_PROJECT_UUID"], variables["TSM_QC_SETTINGS_NAME"]) == (THING, "usual")


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(BUSY, id="later"),
        pytest.param((502, {}, b"<html>Bad Gateway</html>"), id="proxy"),
        pytest.param((200, {"Content-Length": "999"}, b"{"), id="broken-off"),
    ],
)
def test_a_submission_whose_answer_is_lost_makes_one_job(
    bridge: Bridge, served: ServedApplication, gateway: MemoryGateway, fault: Any
) -> None:
    served.faults += [fault, fault]
    assert bridge.submit_qaqc(**QAQC).job_id == "1"
    assert list(gateway.descriptors) == ["1"]
    assert len(served.keys) == 3
    assert len(set(served.keys)) == 1


def test_a_key_of_ones_own_gets_the_same_job_again(bridge: Bridge, gateway: MemoryGateway) -> None:
    first, again = (bridge.submit_qaqc(**QAQC, key="file-17") for _ in range(2))
    other = bridge.submit_qaqc(**QAQC)
    assert (first.job_id, again.job_id, other.job_id) == ("1", "1", "2")


def test_a_job_is_followed_through_its_life(bridge: Bridge, gateway: MemoryGateway) -> None:
    job_id = bridge.submit_qaqc(**QAQC).job_id
    states = []
    for job in bridge.follow(job_id, timeout_seconds=20):
        states.append(job.state)
        gateway.put(job_id, {"PENDING": RUNNING, "RUNNING": COMPLETED, "COMPLETED": {}}[job.state])
    assert states == ["PENDING", "RUNNING", "COMPLETED"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(COMPLETED, (True, "finished normally"), id="success"),
        pytest.param(FAILED, (False, "failed with exit code 3: its standard error says why"), id="failure"),
    ],
)
def test_waiting_ends_with_the_job(
    bridge: Bridge, gateway: MemoryGateway, change: dict[str, Any], expected: tuple[bool, str]
) -> None:
    job_id = bridge.submit_qaqc(**QAQC).job_id
    threading.Timer(0.3, gateway.put, (job_id, change)).start()
    job = bridge.wait(job_id, timeout_seconds=20)
    assert (job.succeeded, job.explanation) == expected
    assert job.end_time == datetime.fromtimestamp(2, UTC)


def test_waiting_ends_with_a_job_that_is_lost(bridge: Bridge, gateway: MemoryGateway) -> None:
    job_id = bridge.submit_qaqc(**QAQC).job_id
    wait_until(lambda: bridge.status(job_id).partition == "normal", "the queue has shown it")
    gateway.forget(job_id)
    job = bridge.wait(job_id, timeout_seconds=20)
    assert (job.is_lost, job.is_over, job.succeeded) == (True, True, False)


def test_waiting_is_over_when_its_time_is(bridge: Bridge) -> None:
    job_id = bridge.submit_qaqc(**QAQC).job_id
    with pytest.raises(WaitTimedOutError, match="Job 1 is not over yet: it is PENDING, and waits") as caught:
        bridge.wait(job_id, timeout_seconds=0.3)
    assert caught.value.job.job_id == job_id


def test_a_bridge_that_lets_no_more_clients_wait_is_not_asked_all_the_time(
    gateway: MemoryGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("bridge.client.bridge.sleep", pauses.append)
    with served_application(gateway, settings(max_waiting_clients=1)) as served:
        bridge = Bridge(served.url)
        job_id = bridge.submit_qaqc(**QAQC).job_id
        other = threading.Thread(target=bridge.wait, args=(job_id,))
        other.start()
        wait_until(lambda: _pauses_after_a_question(bridge, job_id, pauses), "there is one who waits")
        gateway.put(job_id, COMPLETED)
        other.join()


def _pauses_after_a_question(bridge: Bridge, job_id: str, pauses: list[float]) -> bool:
    pauses.clear()
    with pytest.raises(WaitTimedOutError):
        bridge.wait(job_id, timeout_seconds=0.05)
    return any(pauses)


def test_how_many_jobs_stand(bridge: Bridge) -> None:
    bridge.submit_qaqc(**QAQC)
    found, missing = bridge.status_of_many(["1", "99"])
    assert (found.status, found.job and found.job.job_id, found.problem) == (200, "1", None)
    assert (missing.status, missing.problem and missing.problem.title, missing.job) == (404, "Not found", None)


def test_the_list_comes_in_pages(bridge: Bridge, gateway: MemoryGateway) -> None:
    for _ in range(3):
        bridge.submit_qaqc(**QAQC)
    bridge.submit_parse(**PARSE_BODY)
    gateway.put("2", FAILED)
    wait_until(lambda: bridge.status("2").finished, "the end of job 2 is seen")
    first = bridge.page(kind="qaqc", limit=2)
    second = bridge.page(kind="qaqc", limit=2, cursor=first.next_cursor)
    assert [[job.job_id for job in page.jobs] for page in (first, second)] == [["3", "2"], ["1"]]
    assert second.next_cursor is None
    assert _ids(bridge.page(states=["FAILED", "TIMEOUT"]).jobs) == ["2"]
    assert _ids(bridge.page(thing_uuid=THING, since=datetime(2200, 1, 1, tzinfo=UTC)).jobs) == []


def _ids(jobs: tuple[Job, ...]) -> list[str]:
    return [job.job_id for job in jobs]


def test_a_job_is_cancelled(bridge: Bridge) -> None:
    job_id = bridge.submit_qaqc(**QAQC).job_id
    assert bridge.cancel(job_id).state == "PENDING"
    assert bridge.wait(job_id, timeout_seconds=20).state == "CANCELLED"


def test_many_jobs_are_cancelled(bridge: Bridge) -> None:
    batch = bridge.submit_batch("qaqc", [QAQC] * 3)
    results = bridge.cancel_many([*(job.job_id for job in batch.jobs), "99"])
    assert [(result.job_id, result.status) for result in results] == [
        ("1_0", 202),
        ("1_1", 202),
        ("1_2", 202),
        ("99", 404),
    ]
    assert bridge.wait("1_2", timeout_seconds=20).state == "CANCELLED"


def test_a_job_runs_again(bridge: Bridge, gateway: MemoryGateway) -> None:
    job_id = bridge.submit_qaqc(**QAQC).job_id
    gateway.put(job_id, FAILED)
    assert not bridge.wait(job_id, timeout_seconds=20).succeeded
    again = bridge.retry(job_id)
    assert (again.job_id, again.state, again.restarts) == (job_id, "PENDING", 1)


def test_failures_run_again(bridge: Bridge, gateway: MemoryGateway) -> None:
    ids = [bridge.submit_qaqc(**QAQC).job_id for _ in range(2)]
    for job_id in ids:
        gateway.put(job_id, FAILED)
        bridge.wait(job_id, timeout_seconds=20)
    found = bridge.failures(kind="qaqc")
    (group,) = found.groups
    assert (found.count, group.count, group.runnable, group.example.job_id) == (2, 2, 2, ids[1])
    assert group.nodes[0].node == "n1"
    preview = bridge.retry_failures(group.filter, dry_run=True)
    done = bridge.retry_failures(group.filter, per_minute=60)
    assert preview.jobs == done.jobs
    assert [job.job_id for job in done.jobs] == ids
    assert bridge.retry_failures(group.filter).count == 0


def test_output(bridge: Bridge, tmp_path: Path) -> None:
    (tmp_path / "qaqc-1.err").write_bytes(b"12345")
    assert bridge.output("1") == b"12345"
    assert bridge.output("1", tail_bytes=2) == b"45"
    with pytest.raises(RefusedError, match=r"^Not found: "):
        bridge.output("1", "stdout")


def test_output_is_followed_until_the_job_is_over(
    bridge: Bridge, gateway: MemoryGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = bridge.submit_qaqc(**QAQC).job_id
    file = tmp_path / f"qaqc-{job_id}.err"

    # What happens between the looks: nothing is there yet, a part, nothing more, and the rest as the job ends.
    def end() -> None:
        file.write_bytes(b"one\ntwo\n")
        gateway.put(job_id, COMPLETED)
        while not bridge.status(job_id).finished:  # until that is seen
            pass

    events: list[Callable[[], object]] = [lambda: file.write_bytes(b"one\n"), lambda: None, end]
    monkeypatch.setattr("bridge.client.bridge.sleep", lambda _seconds: events.pop(0)())
    assert list(bridge.follow_output(job_id)) == [b"one\n", b"two\n"]
    assert not events


def test_what_is_refused_is_not_sent_again(bridge: Bridge, served: ServedApplication) -> None:
    with pytest.raises(RefusedError, match=r"Correct the fields .* `thing_uuid` ") as caught:
        bridge.submit_qaqc(target="sqlite:///x", thing_uuid="nonsense")
    assert (caught.value.problem.status, len(served.keys)) == (422, 1)


@pytest.mark.parametrize("token", [None, "wrong"])
def test_a_token_that_does_not_do(gateway: MemoryGateway, tmp_path: Path, token: str | None) -> None:
    (tmp_path / "tokens").write_text("[]")
    (tmp_path / "tokens").chmod(0o600)
    with (
        served_application(gateway, settings(token_file=tmp_path / "tokens")) as served,
        pytest.raises(NotAuthenticatedError, match=r"^Unauthenticated: "),
    ):
        Bridge(served.url, token=token).status("1")


def test_a_bridge_that_is_away_is_asked_for_as_long_as_the_client_is_patient() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    begun_at = time.monotonic()
    with pytest.raises(BridgeUnreachableError, match=f"^{url} does not answer: "):
        Bridge(url, patience_seconds=1.5).status("1")
    assert time.monotonic() - begun_at > 0.9


def test_a_bridge_that_only_says_later(bridge: Bridge, served: ServedApplication) -> None:
    served.faults.extend([(503, {"Retry-After": "30"}, BUSY[2])] * 3)
    with pytest.raises(BridgeUnreachableError, match=r"^Overloaded: later"):
        bridge.status("1")
    assert len(served.faults) == 2


@pytest.mark.parametrize("url", ["localhost:5000", "ftp://localhost", "http://", ""])
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(ValueError, match="is no address of a bridge"):
        Bridge(url)


def test_the_environment_names_the_bridge_and_the_token(
    gateway: MemoryGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("from-a-file\n")
    with served_application(gateway, settings()) as served:
        monkeypatch.setenv("TSM_BRIDGE_URL", f"{served.url}/")
        monkeypatch.setenv("TSM_BRIDGE_TOKEN_FILE", str(tmp_path / "token"))
        assert Bridge.from_environment().page().jobs == ()
        assert served.tokens[-1] == "Bearer from-a-file"
        monkeypatch.setenv("TSM_BRIDGE_TOKEN", "itself")
        Bridge.from_environment().page()
        assert served.tokens[-1] == "Bearer itself"


def test_an_address_is_built_of_the_id_alone(bridge: Bridge) -> None:
    with pytest.raises(RefusedError) as caught:
        bridge.status("../health?x")
    assert caught.value.problem.status == 404


def test_a_change_that_says_nothing_new_is_not_told(
    bridge: Bridge, served: ServedApplication, gateway: MemoryGateway
) -> None:
    job_id = bridge.submit_qaqc(**QAQC).job_id
    following = bridge.follow(job_id, timeout_seconds=20)
    states = [next(following).state]
    gateway.put(job_id, {"partition": "other"})
    wait_until(lambda: bridge.status(job_id).partition == "other", "the change is seen")
    end = threading.Thread(target=_end_at_the_second_wait, args=(served, gateway, job_id))
    end.start()
    states += [job.state for job in following]
    end.join()
    assert states == ["PENDING", "COMPLETED"]


def _end_at_the_second_wait(served: ServedApplication, gateway: MemoryGateway, job_id: str) -> None:
    wait_until(lambda: len(served.waits) >= 2, "the client has waited twice")
    gateway.put(job_id, COMPLETED)
