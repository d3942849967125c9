"""The service as a whole, on a real Slurm, with a stand-in for the extractor: what clients and admins see of it."""

import json
import os
import re
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.bridge_process import (
    Bridge,
    children_of,
    running_bridge,
    service_environment,
    start_bridge,
    workers_of,
)
from tests.support.private_slurm import PrivateSlurm
from tests.support.raw_http import ask, request
from tests.support.samples import PARSE_BODY, QAQC_BODY, THING
from tests.support.waiting import wait_until

# What the parser's name tells the stand-in to do. It prints its arguments first, as some extractors do.
STAND_IN = """
import os, signal, sys, time
print(sys.argv, flush=True)
command = next((word.split("=")[1] for word in sys.argv if word.startswith("--parser=")), "Succeed")
match command:
    case "Sleep": time.sleep(60)
    case "Exit3": sys.exit(3)
    case "Segfault": os.kill(os.getpid(), signal.SIGSEGV)
"""


@pytest.fixture(scope="module")
def environment(slurm: PrivateSlurm, shared_folder: Path) -> dict[str, str]:
    stand_in = shared_folder / "extractor.py"
    stand_in.write_text(STAND_IN)
    command = ["/usr/bin/python3", str(stand_in)]
    return service_environment(slurm, shared_folder, command, BRIDGE_REQUEST_TIMEOUT_SECONDS="4")


@pytest.fixture(scope="module")
def bridge(shared_folder: Path, environment: dict[str, str]) -> Iterator[Bridge]:
    with running_bridge(shared_folder, environment) as bridge:
        yield bridge


def queue_length(slurm: PrivateSlurm) -> int:
    return len(slurm.run("squeue", "--noheader", "--states=all").splitlines())


@pytest.mark.parametrize(
    ("path", "body", "kind"),
    [
        pytest.param("/extractor/run", PARSE_BODY, "parse", id="file-dispatcher"),
        pytest.param("/qaqc/run", QAQC_BODY, "qaqc", id="qaqc-dispatcher"),
    ],
)
def test_from_the_post_to_the_jobs_end(
    bridge: Bridge, slurm: PrivateSlurm, path: str, body: dict[str, str], kind: str
) -> None:
    answer = bridge.post(path, body)
    assert answer.status == 202
    job_id = answer.body["job_id"]
    assert answer.headers["Location"] == answer.body["href"] == f"/jobs/{job_id}"
    assert answer.body["out"] == f"Submitted batch job {job_id}"
    assert slurm.run("squeue", "--noheader", "--states=all", f"--jobs={job_id}", "--format=%j %u").strip() == (
        f"{kind} sontsm"
    )
    comment = slurm.run("squeue", "--noheader", "--states=all", f"--jobs={job_id}", "--format=%k").strip()
    expected = {"kind": kind, "thing": THING, "req": answer.body["request_id"]}
    assert expected.items() <= json.loads(comment).items()

    job = bridge.wait_until_finished(job_id)
    assert (job["state"], job["succeeded"], job["exit_code"]) == ("COMPLETED", True, 0)
    assert (job["kind"], job["thing_uuid"], job["request_id"]) == (kind, THING, answer.body["request_id"])
    assert (job["nodes"], job["partition"], job["explanation"]) == ("n1", "normal", "finished normally")


def test_a_body_in_chunks(bridge: Bridge) -> None:
    half = len(body := json.dumps(QAQC_BODY).encode()) // 2
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:half], body[half:], b""))
    headers = {"Host": "localhost", "Content-Type": "application/json", "Transfer-Encoding": "chunked"}
    answer = ask(urlsplit(bridge.url).port or 0, request("POST", "/qaqc/run", headers, chunks))
    assert (answer.status, json.loads(answer.body)["thing_uuid"]) == (202, THING)


@pytest.mark.parametrize(
    ("parser", "expected"),
    [
        pytest.param(
            "Exit3",
            {"state": "FAILED", "exit_code": 3, "signal": None, "succeeded": False, "finished": True},
            id="exit-code",
        ),
        pytest.param("Segfault", {"state": "FAILED", "signal": 11, "succeeded": False, "finished": True}, id="signal"),
    ],
)
def test_how_a_job_failed(bridge: Bridge, parser: str, expected: dict[str, Any]) -> None:
    job_id = bridge.post("/extractor/run", {**PARSE_BODY, "parser": parser}).body["job_id"]
    job = bridge.wait_until_finished(job_id)
    assert {name: job[name] for name in expected} == expected
    assert str(job["exit_code"] or job["signal"]) in job["explanation"]


def test_jobs_of_others_are_not_found(bridge: Bridge, slurm: PrivateSlurm) -> None:
    submitted = slurm.run("sbatch", "--parsable", "--chdir=/tmp", "--output=/dev/null", "--wrap=true", user="sontsm")
    assert bridge.get(f"/jobs/{submitted.strip()}").status == 404


HOSTILE = {
    "command-substitution": {"parser": "$(touch {marker})"},
    "backticks": {"parser": "`touch {marker}`"},
    "quotes": {"parser": "'; touch {marker}; '"},
    "newline": {"parser": "CsvParser\ntouch {marker}"},
    "heredoc-end": {"parser": "LAUNCHER\ntouch {marker}\n"},
    "nul": {"target": "postgresql://h/d\x00"},
    "blank-in-uri": {"source": "http://h/$(touch {marker})"},
    "backticks-in-uri": {"source": "http://h/`id`"},
    "emoji": {"thing_uuid": "\U0001f600"},
    "1-mib": {"source": "http://h/" + "a" * 2**20},
    "number": {"parser": 17},
    "null": {"target": None},
    "list": {"source": ["http://h/"]},
    "object": {"thing_uuid": {"a": 1}},
    "unknown-field": {"script": "#!/bin/sh"},
}


@pytest.mark.parametrize("changes", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_values_make_no_job(
    bridge: Bridge, slurm: PrivateSlurm, shared_folder: Path, changes: dict[str, Any]
) -> None:
    marker = shared_folder / "output" / "marker"
    before = queue_length(slurm)
    body = json.loads(json.dumps({**PARSE_BODY, **changes}).replace("{marker}", str(marker)))
    answer = bridge.post("/extractor/run", body)
    assert (answer.status, answer.headers["Content-Type"]) in (
        (422, "application/problem+json"),
        (413, "application/problem+json"),
    )
    assert answer.body["out"] == ""
    assert queue_length(slurm) == before
    assert not marker.exists()


def test_what_a_uri_may_hold_is_never_executed(bridge: Bridge, shared_folder: Path) -> None:
    marker = shared_folder / "output" / "marker"
    source = f"http://h/$(touch${{IFS}}{marker})';touch%20{marker};'&&touch+{marker}".replace("${IFS}", "$IFS")
    job_id = bridge.post("/extractor/run", {**PARSE_BODY, "source": source}).body["job_id"]
    assert bridge.wait_until_finished(job_id)["state"] == "COMPLETED"
    assert not marker.exists()
    assert source in (shared_folder / "output" / f"parse-{job_id}.out").read_text().replace("\\'", "'")


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        pytest.param(b"{", "application/json", 400, id="not-json"),
        pytest.param(b"[]", "application/json", 400, id="not-an-object"),
        pytest.param(json.dumps(PARSE_BODY).encode(), "text/plain", 415, id="wrong-content-type"),
        pytest.param(b"{}", "application/json", 422, id="missing-fields"),
    ],
)
def test_bad_bodies_make_no_job(
    bridge: Bridge, slurm: PrivateSlurm, body: bytes, content_type: str, status: int
) -> None:
    before = queue_length(slurm)
    answer = bridge.post("/extractor/run", body, content_type)
    assert (answer.status, answer.body["status"]) == (status, status)
    assert queue_length(slurm) == before


def test_no_secret_shows_anywhere(slurm: PrivateSlurm, shared_folder: Path, environment: dict[str, str]) -> None:
    """Canaries in the database's password, in the source's signature and in the MQTT password; a log at debug level."""
    body = {
        **PARSE_BODY,
        "parser": "Sleep",
        "target": "postgresql://user:canary@host/db",
        "source": "https://user:canary@host/file?signature=canary",
    }
    mqtt = {"MQTT_BROKER": "127.0.0.1:1", "MQTT_USER": "user", "MQTT_PASSWORD": "canary", "VERBOSE": "1"}
    with running_bridge(shared_folder, {**environment, **mqtt}) as bridge:
        submitted = bridge.post("/extractor/run", body).body
        job_id = submitted["job_id"]
        bridge.wait_for(job_id, lambda job: job["state"] == "RUNNING")
        output = shared_folder / "output" / f"parse-{job_id}.out"
        wait_until(lambda: output.exists() and "Sleep" in output.read_text(), "the stand-in prints its arguments")
        assert "canary" not in output.read_text()
        seen_by_others = {
            "scontrol": slurm.run("scontrol", "show", "--details", "job", job_id),
            "squeue": slurm.run("squeue", "--format=%all", "--states=all"),
            "squeue --json": slurm.run("squeue", "--json", "--states=all"),
            "script": slurm.run("scontrol", "write", "batch_script", job_id, "-"),
            "processes": command_lines(),
            "answer": json.dumps([bridge.get(f"/jobs/{job_id}").body, bridge.get("/ready").body]),
            "refusals": json.dumps(
                [
                    bridge.post("/extractor/run", {**body, field: bad + "canary\n"}).body
                    for field, bad in {**body, "other": ""}.items()
                ]
            ),
            "not JSON": json.dumps(bridge.post("/extractor/run", b'{"target": "canary').body),
            "log": bridge.log,
        }
        slurm.run("scancel", job_id)
    for listing in ("scontrol", "squeue", "squeue --json"):
        # The request's id stands in the job's comment, and nothing else looks like it.
        assert {job_id, submitted["request_id"]} <= set(re.findall(r"\w+", seen_by_others[listing])), listing
    assert "python3" in seen_by_others["processes"]
    assert "#!/bin/bash" in seen_by_others["script"]
    assert '"level":"info"' in seen_by_others["log"]
    assert [where for where, text in seen_by_others.items() if "canary" in text] == []
    assert output.stat().st_mode & 0o777 == 0o600


def test_a_controller_that_stalls(bridge: Bridge, slurm: PrivateSlurm) -> None:
    """More requests than there are threads, of every kind that waits for Slurm."""
    slurm.pause_controller()
    try:
        with ThreadPoolExecutor(50) as clients:
            posts = [clients.submit(timed, lambda: bridge.post("/extractor/run", PARSE_BODY)) for _ in range(8)]
            time.sleep(0.3)
            reads = [clients.submit(bridge.get, "/jobs/1") for _ in range(20)]
            probes = [clients.submit(bridge.get, "/ready") for _ in range(20)]
            time.sleep(0.3)
            health = sorted(timed(lambda: bridge.get("/health")) for _ in range(50))
            ready = bridge.get("/ready")
            answers = [post.result() for post in posts]
            assert {read.result().status for read in reads} == {200}
            assert {probe.result().status for probe in probes} == {503}
    finally:
        slurm.resume_controller()
    assert {answer.status for _, answer in health} == {200}
    assert health[len(health) // 2][0] < 0.05
    assert health[-1][0] < 0.5  # everything else waited for seconds
    assert ready.status == 503
    assert not ready.body["checks"]["controller"]["ok"]
    for seconds, answer in answers:
        assert (answer.status, answer.body["retryable"]) == (503, True)
        assert ("idempotency_key" in answer.body) is answer.body["type"].endswith("outcome-unknown")
        assert answer.headers["Retry-After"]
        assert 1.5 < seconds < 5.5
    wait_until(lambda: bridge.get("/ready").status == 200, "ready again")
    assert bridge.post("/qaqc/run", QAQC_BODY).status == 202


@pytest.mark.parametrize(
    ("request_line", "status", "problem_type"),
    [
        pytest.param("FOO /health HTTP/1.1", 405, "method-not-allowed", id="no-such-method"),
        pytest.param("POST /qaqc/run HTTP/1.1\r\nContent-Length: x", 400, "malformed-request", id="bad-length"),
        pytest.param("POST /qaqc/run HTTP/1.1\r\nContent-Length: 99999999", 413, "body-too-large", id="length"),
    ],
)
def test_bad_http_gets_a_problem_too(bridge: Bridge, request_line: str, status: int, problem_type: str) -> None:
    port = int(bridge.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(f"{request_line}\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        head, _, body = connection.makefile("rb").read().partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"X-Request-Id: " in head or b"X-Request-ID: " in head
    assert json.loads(body)["type"] == f"urn:tsm-slurm-bridge:{problem_type}"


def test_a_restarted_bridge_knows_its_jobs(shared_folder: Path, environment: dict[str, str]) -> None:
    with running_bridge(shared_folder, environment) as first:
        job_id = first.post("/extractor/run", PARSE_BODY).body["job_id"]
    with running_bridge(shared_folder, environment) as second:
        assert second.wait_until_finished(job_id)["succeeded"]


def test_the_web_process_keeps_to_one_cpu_and_its_workers_do_not(bridge: Bridge) -> None:
    given = os.sched_getaffinity(0)
    threads = [int(task.name) for task in Path(f"/proc/{bridge.process.pid}/task").iterdir()]
    of_web = [os.sched_getaffinity(thread) for thread in threads]
    (cpu,) = os.sched_getaffinity(bridge.process.pid)
    assert of_web.count({cpu}) > 100  # but for those that keep the workers
    workers = workers_of(bridge.process.pid)
    assert len(workers) >= 5
    assert all(os.sched_getaffinity(worker) == given for worker in workers)


def test_a_killed_bridge_leaves_no_process(shared_folder: Path, environment: dict[str, str]) -> None:
    bridge = start_bridge(shared_folder, environment)
    children = children_of(bridge.process.pid)
    assert len(children) >= 5
    bridge.process.kill()
    bridge.process.wait()
    wait_until(lambda: not [pid for pid in children if Path(f"/proc/{pid}").exists()], "no process is left")


def test_slurms_refusal_is_the_operators_to_mend(shared_folder: Path, environment: dict[str, str]) -> None:
    with running_bridge(shared_folder, {**environment, "BRIDGE_PARSE__PARTITION": "nowhere"}) as bridge:
        answer = bridge.post("/extractor/run", PARSE_BODY)
        assert (answer.status, answer.body["type"]) == (502, "urn:tsm-slurm-bridge:slurm-refused")
        assert (answer.body["code"], answer.body["retryable"]) == (2000, False)
        assert "artition" in answer.body["err"]
        assert bridge.post("/qaqc/run", QAQC_BODY).status == 202


def test_existing_health_checks_pass(bridge: Bridge) -> None:
    with urllib.request.urlopen(f"{bridge.url}/health") as response:
        assert json.load(response) == {"status": "ok"}


def timed(action: Callable[[], Any]) -> tuple[float, Any]:
    started_at = time.monotonic()
    result = action()
    return time.monotonic() - started_at, result


def command_lines() -> str:
    lines = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            lines.append((process / "cmdline").read_text().replace("\0", " "))
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended meanwhile
    return "\n".join(lines)
