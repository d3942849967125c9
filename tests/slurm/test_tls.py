"""The service behind nginx with TLS, as docs/deploy.md sets it up: deploy/nginx.conf and a unix socket."""

import http.client
import json
import ssl
import subprocess
import time
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from tests.support.bridge_process import Bridge, owned_folder, running_bridge, service_environment, start_bridge
from tests.support.nginx import Nginx, running_nginx
from tests.support.private_slurm import PrivateSlurm
from tests.support.samples import PARSE_BODY, QAQC_BODY
from tests.support.waiting import wait_until

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def environment(slurm: PrivateSlurm, shared_folder: Path) -> dict[str, str]:
    stand_in = shared_folder / "stand-in.py"
    stand_in.write_text("#!/bin/sh\ncat >/dev/null\nsleep 1\nseq 20000\n")
    stand_in.chmod(0o755)
    socket_folder = owned_folder(shared_folder / "run")
    socket_folder.chmod(0o750)
    return service_environment(
        slurm, shared_folder, [str(stand_in), "main.py"], BRIDGE_SOCKET_PATH=str(socket_folder / "bridge.sock")
    )


@pytest.fixture(scope="module")
def bridge(shared_folder: Path, environment: dict[str, str]) -> Iterator[Bridge]:
    with running_bridge(shared_folder, environment, "--verbose") as bridge:
        yield bridge


@pytest.fixture(scope="module")
def nginx(shared_folder: Path, environment: dict[str, str]) -> Iterator[Nginx]:
    folder = shared_folder / "nginx"
    folder.mkdir()
    with running_nginx(folder, Path(environment["BRIDGE_SOCKET_PATH"])) as nginx:
        yield nginx


@pytest.fixture
def client(nginx: Nginx, bridge: Bridge) -> Iterator[http.client.HTTPSConnection]:
    assert bridge.process.poll() is None
    connection = http.client.HTTPSConnection("127.0.0.1", nginx.port, context=nginx.tls_context(), timeout=30)
    yield connection
    connection.close()


def ask(
    client: http.client.HTTPSConnection, method: str, path: str, body: Any = None, **headers: str
) -> tuple[int, Message, bytes]:
    data = body if body is None or isinstance(body, bytes) else json.dumps(body)
    client.request(method, path, data, {name.replace("_", "-"): value for name, value in headers.items()})
    response = client.getresponse()
    return response.status, response.headers, response.read()


def submit(client: http.client.HTTPSConnection) -> str:
    status, _, body = ask(client, "POST", "/extractor/run", PARSE_BODY, **JSON)
    assert status == 202, body
    return str(json.loads(body)["job_id"])


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")
def test_old_tls_is_refused(nginx: Nginx, bridge: Bridge, version: ssl.TLSVersion) -> None:
    assert bridge.process.poll() is None
    context = nginx.tls_context()
    context.set_ciphers("ALL:@SECLEVEL=0")  # or our own side would refuse
    context.minimum_version = context.maximum_version = version
    client = http.client.HTTPSConnection("127.0.0.1", nginx.port, context=context, timeout=30)
    with pytest.raises(ssl.SSLError, match="ALERT_PROTOCOL_VERSION"):
        client.connect()


def test_a_job_from_the_post_to_its_output(client: http.client.HTTPSConnection) -> None:
    job_id = submit(client)
    states = []
    for _ in range(10):
        status, _, body = ask(client, "GET", f"/jobs/{job_id}?wait=30")
        job = json.loads(body)
        states.append(job["state"])
        if job["finished"]:
            break
    assert states[-1] == "COMPLETED"
    whole = "".join(f"{number}\n" for number in range(1, 20_001)).encode()
    status, headers, body = ask(client, "GET", f"/jobs/{job_id}/stdout", Range="bytes=10-19")
    assert (status, headers["Content-Range"], body) == (206, f"bytes 10-19/{len(whole)}", whole[10:20])
    assert ask(client, "GET", f"/jobs/{job_id}/stdout")[2] == whole


def test_waiting_lasts_longer_than_a_moment(client: http.client.HTTPSConnection) -> None:
    job_id = submit(client)
    started = time.monotonic()
    while not json.loads(ask(client, "GET", f"/jobs/{job_id}?wait=20")[2])["finished"]:
        assert time.monotonic() - started < 30


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({}, id="none"),
        pytest.param({"X_Forwarded_For": "192.0.2.66"}, id="x-forwarded-for"),
        pytest.param({"Forwarded": "for=192.0.2.66", "X_Real_IP": "192.0.2.66"}, id="others"),
    ],
)
def test_the_clients_address_is_in_the_log(
    client: http.client.HTTPSConnection, bridge: Bridge, claims: dict[str, str]
) -> None:
    request_id = f"request-{time.monotonic_ns()}"
    status, headers, _ = ask(client, "GET", "/jobs/999999", X_Request_ID=request_id, **claims)
    assert (status, headers["X-Request-ID"]) == (404, request_id)
    assert bridge.line_about(request_id)["client"] == "127.0.0.1"


def test_every_answer_has_hsts_and_none_tells_versions(client: http.client.HTTPSConnection) -> None:
    for method, path, body in (
        ("GET", "/health", None),
        ("GET", "/jobs/999999", None),
        ("POST", "/jobs", bytes(2**20)),
    ):
        _, headers, _ = ask(client, method, path, body)
        assert headers["Strict-Transport-Security"] == "max-age=31536000"
        assert not any(character.isdigit() for character in headers["Server"])
        client.close()


def test_a_body_that_is_too_large_is_told_in_our_words(client: http.client.HTTPSConnection) -> None:
    status, headers, body = ask(client, "POST", "/qaqc/run", bytes(2**20), **JSON)
    assert (status, headers["Content-Type"]) == (413, "application/problem+json")
    problem = json.loads(body)
    assert problem["type"] == "urn:tsm-slurm-bridge:body-too-large"
    assert problem["request_id"] == headers["X-Request-ID"]
    client.close()
    assert ask(client, "POST", "/qaqc/run", json.dumps(QAQC_BODY).ljust(2**16).encode(), **JSON)[0] == 202
    assert (
        ask(client, "POST", "/qaqc/batch", json.dumps({"items": [QAQC_BODY]}).ljust(2**22).encode(), **JSON)[0] == 202
    )
    assert ask(client, "POST", "/qaqc/batch", bytes(2**22 + 1), **JSON)[0] == 413


def test_the_access_log_holds_no_secret(client: http.client.HTTPSConnection, nginx: Nginx) -> None:
    request_id = f"request-{time.monotonic_ns()}"
    ask(client, "GET", "/jobs?token=canary1", X_Request_ID=request_id, Authorization="Bearer canary2")
    wait_until(lambda: request_id in nginx.access_log_path.read_text(), "the request is in the log")
    assert "canary" not in nginx.access_log_path.read_text()


def test_a_bridge_that_is_not_there_is_told_in_our_words(shared_folder: Path) -> None:
    folder = shared_folder / "nginx-alone"
    folder.mkdir()
    with running_nginx(folder, folder / "nobody.sock") as nginx:
        client = http.client.HTTPSConnection("127.0.0.1", nginx.port, context=nginx.tls_context(), timeout=30)
        status, headers, body = ask(client, "POST", "/qaqc/run", QAQC_BODY, **JSON)
        client.close()
    assert (status, headers["Retry-After"]) == (503, "5")
    assert json.loads(body)["type"] == "urn:tsm-slurm-bridge:bridge-unreachable"


def test_nobody_else_may_open_the_socket(bridge: Bridge, environment: dict[str, str]) -> None:
    assert bridge.process.poll() is None
    path = Path(environment["BRIDGE_SOCKET_PATH"])
    assert path.stat().st_mode & 0o777 == 0o660
    try_it = ["test", "-w", str(path)]
    as_stranger = subprocess.run(try_it, check=False, user="nobody", group="nogroup", extra_groups=[])
    assert as_stranger.returncode == 1


def test_a_killed_bridge_starts_again_on_its_socket(
    slurm: PrivateSlurm, shared_folder: Path, environment: dict[str, str]
) -> None:
    path = Path(environment["BRIDGE_SOCKET_PATH"]).with_name("second.sock")
    mine = {**environment, "BRIDGE_SOCKET_PATH": str(path)}
    killed = start_bridge(shared_folder, mine)
    killed.process.kill()
    killed.process.wait()
    assert path.exists()
    with running_bridge(shared_folder, mine):
        assert slurm.environment
    assert not path.exists()
