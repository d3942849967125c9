"""The service as its users start it: `tsm-bridge serve` in a process of its own, and a client for it."""

import json
import os
import pwd
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from email.message import Message
from pathlib import Path
from typing import Any

from tests.support.ports import free_port
from tests.support.private_slurm import PrivateSlurm
from tests.support.raw_http import ask, request
from tests.support.samples import of_each_kind
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
SERVICE_USER = "sontsm"
READY_SECONDS = 60.0
STOP_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What the service answered; `body` is the JSON in it, or its bytes where they were asked for."""

    status: int
    headers: Message
    body: Any


@dataclass(frozen=True, slots=True)
class Bridge:
    """A running service."""

    url: str
    process: "subprocess.Popen[bytes]"
    log_path: Path

    @property
    def log(self) -> str:
        """All it has logged so far."""
        return self.log_path.read_text()

    def line_about(self, request_id: str) -> dict[str, Any]:
        """The line that it logs about a request, once its answer has left."""

        def lines() -> list[dict[str, Any]]:
            found = [json.loads(line) for line in self.log.splitlines() if request_id in line]
            return [line for line in found if line["message"] == "request"]

        wait_until(lines, f"the request {request_id} is in the log")
        return lines()[0]

    def get(self, path: str, **headers: str) -> Answer:
        """`GET path`; `_` in a header's name stands for `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._request(urllib.request.Request(self.url + path, headers=named))

    def get_bytes(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """`GET path` for an answer that is no JSON: `body` is its bytes."""
        with urllib.request.urlopen(urllib.request.Request(self.url + path, headers=dict(headers or {}))) as response:
            return Answer(response.status, response.headers, response.read())

    def delete(self, path: str) -> Answer:
        """`DELETE path`."""
        return self._request(urllib.request.Request(self.url + path, method="DELETE"))

    def post(self, path: str, body: Any, content_type: str = "application/json", key: str | None = None) -> Answer:
        """`POST path` with `body` as JSON, or with its bytes as they are; `key` is its `Idempotency-Key`."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": content_type, **({} if key is None else {"Idempotency-Key": key})}
        return self._request(urllib.request.Request(self.url + path, data, headers))

    def send(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """Any request, with `body` as JSON; that of the answer is its bytes."""
        data = None if body is None else json.dumps(body).encode()
        typed = {"Content-Type": "application/json", **(headers or {})}
        return _answer_to(urllib.request.Request(self.url + path, data, typed, method=method))

    def wait_until_finished(
        self, job_id: str, seconds: float = 60.0, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Poll the job until it has ended, and return it; says how it stood last where it has not."""
        return self.wait_for(job_id, lambda job: bool(job["finished"]), seconds, headers)

    def wait_for(
        self, job_id: str, condition: Any, seconds: float = 30.0, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Poll the job until `condition(job)` holds."""
        deadline = time.monotonic() + seconds
        while True:
            answer = self.get(f"/jobs/{job_id}", **(headers or {}))
            if answer.status == 200 and condition(answer.body):
                return dict(answer.body)
            assert time.monotonic() < deadline, f"job {job_id} after {seconds} s: {answer.status} {answer.body}"
            time.sleep(0.1)

    def _request(self, request: urllib.request.Request) -> Answer:
        answer = _answer_to(request)
        return replace(answer, body=json.loads(answer.body) if answer.body else None)


def _answer_to(request: urllib.request.Request) -> Answer:
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return Answer(response.status, response.headers, response.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.headers, error.read())


def start_bridge(
    folder: Path,
    environment: Mapping[str, str],
    *arguments: str,
    port: int | None = None,
    program: str = "bridge",
    log: int | None = None,
) -> Bridge:
    """The service on `port` or a free one, as the user that jobs belong to, with nothing but `environment` around it.

    With BRIDGE_SOCKET_PATH in there it listens on that, and has no `url`. Its log goes to `folder`, or to `log`, a
    descriptor. `program` is the module to run: another one for a service that is changed for a test.
    """
    socket_path = environment.get("BRIDGE_SOCKET_PATH")
    port = port or free_port()
    place = [] if socket_path else ["--port", str(port)]
    log_path = folder / "bridge.log"
    with log_path.open("ab") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", program, "serve", *place, *arguments],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **environment},
            user=SERVICE_USER,
            group=SERVICE_USER,
            extra_groups=[],
            stdout=file,
            stderr=file if log is None else log,
        )
    bridge = Bridge("" if socket_path else f"http://127.0.0.1:{port}", process, log_path)
    try:
        _wait_until_healthy(bridge, Path(socket_path) if socket_path else port)
    except BaseException:
        process.kill()
        process.wait()
        raise
    return bridge


def service_environment(
    slurm: PrivateSlurm, folder: Path, extractor_command: Sequence[str], **more: str
) -> dict[str, str]:
    """The variables of a service on `slurm` with small jobs; they write to `folder`/output, which is made."""
    return {
        **slurm.environment,
        "BRIDGE_OUTPUT_FOLDER": str(owned_folder(folder / "output")),
        **of_each_kind("extractor_command", json.dumps(extractor_command)),
        **of_each_kind("memory_mib", "10"),
        **more,
    }


@contextmanager
def running_bridge(
    folder: Path,
    environment: Mapping[str, str],
    *arguments: str,
    port: int | None = None,
    program: str = "bridge",
) -> Iterator[Bridge]:
    """See `start_bridge`. Leaving the context stops it with SIGTERM, and insists that it ends well."""
    bridge = start_bridge(folder, environment, *arguments, port=port, program=program)
    try:
        yield bridge
        assert bridge.process.poll() is None, f"the bridge ended by itself:\n{bridge.log}"
        bridge.process.terminate()
        assert bridge.process.wait(STOP_SECONDS) == 0, bridge.log
    finally:
        bridge.process.kill()
        bridge.process.wait()


def children_of(pid: int) -> list[int]:
    """The process ids of a process's children; none where it has ended."""
    children: list[int] = []
    with suppress(FileNotFoundError, ProcessLookupError):  # it ends meanwhile
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(FileNotFoundError, ProcessLookupError):  # the thread does
                children += [int(child) for child in (task / "children").read_text().split()]
    return children


def workers_of(pid: int) -> list[int]:
    """The bridge's workers; multiprocessing's own helper is none."""
    workers = []
    for child in children_of(pid):
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            if "spawn_main" in Path(f"/proc/{child}/cmdline").read_text():
                workers.append(child)
    return workers


def owned_folder(folder: Path) -> Path:
    """Make `folder`, which the service's user may write to."""
    folder.mkdir()
    user = pwd.getpwnam(SERVICE_USER)
    os.chown(folder, user.pw_uid, user.pw_gid)
    return folder


def _wait_until_healthy(bridge: Bridge, place: int | Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            if ask(place, request("GET", "/health", {"Host": "localhost"})).status == 200:
                return
        except OSError as error:
            last = str(error)
        assert bridge.process.poll() is None, f"the bridge did not start:\n{bridge.log}"
        assert time.monotonic() < deadline, f"the bridge does not answer ({last}):\n{bridge.log}"
        time.sleep(0.05)
