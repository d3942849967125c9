"""How the service ends, and what it says when it cannot begin or loses its slurm.conf."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.bridge_process import (
    ROOT,
    SERVICE_USER,
    Bridge,
    children_of,
    owned_folder,
    service_environment,
    start_bridge,
)
from tests.support.ports import free_port
from tests.support.private_slurm import PrivateSlurm
from tests.support.raw_http import ask, request
from tests.support.samples import QAQC_BODY
from tests.support.waiting import wait_until


@pytest.fixture
def environment(slurm: PrivateSlurm, shared_folder: Path) -> dict[str, str]:
    folder = shared_folder / f"service-{time.monotonic_ns()}"
    folder.mkdir()
    return service_environment(slurm, folder, ["/bin/true", "main.py"])


@pytest.fixture
def bridge(shared_folder: Path, environment: dict[str, str]) -> Iterator[Bridge]:
    """A bridge that the test ends."""
    bridge = start_bridge(shared_folder, environment)
    yield bridge
    bridge.process.kill()
    bridge.process.wait()


@pytest.fixture
def stalled(slurm: PrivateSlurm) -> Iterator[PrivateSlurm]:
    """A Slurm whose controller does not answer."""
    slurm.pause_controller()
    yield slurm
    slurm.resume_controller()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_lets_a_request_finish_and_refuses_the_next(
    bridge: Bridge, stalled: PrivateSlurm, number: signal.Signals
) -> None:
    children = children_of(bridge.process.pid)
    with ThreadPoolExecutor(1) as client:
        waiting = client.submit(bridge.post, "/qaqc/run", QAQC_BODY)
        time.sleep(1)
        bridge.process.send_signal(number)
        time.sleep(0.5)
        refused = bridge.post("/qaqc/run", QAQC_BODY)
        stalled.resume_controller()
        assert waiting.result().status == 202
    assert (refused.status, refused.body["type"]) == (503, "urn:tsm-slurm-bridge:overloaded")
    assert bridge.process.wait(10) == 0
    wait_until(lambda: not [pid for pid in children if Path(f"/proc/{pid}").exists()], "no process is left", 2.0)


@pytest.mark.usefixtures("stalled")
def test_a_second_sigterm_ends_it_at_once(bridge: Bridge) -> None:
    with ThreadPoolExecutor(1) as client:
        waiting = client.submit(bridge.post, "/qaqc/run", QAQC_BODY)
        time.sleep(1)
        bridge.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert bridge.process.poll() is None
        bridge.process.send_signal(signal.SIGTERM)
        assert bridge.process.wait(5) == 0
        with suppress(OSError):  # the connection ends, or there is just time to say what happened
            assert waiting.result().body["type"] == "urn:tsm-slurm-bridge:outcome-unknown"


@pytest.mark.parametrize(
    ("conf", "words"),
    [
        pytest.param(None, "slurm_conf_path: cannot read", id="missing"),
        pytest.param("NodeName=\nthis is not a slurm.conf\n", "slurm_conf_path", id="broken"),
    ],
)
def test_a_slurm_conf_that_cannot_be_used_is_one_line_at_the_start(
    shared_folder: Path, environment: dict[str, str], conf: str | None, words: str
) -> None:
    path = shared_folder / f"slurm-{time.monotonic_ns()}.conf"
    if conf is not None:
        path.write_text(conf)
    done = subprocess.run(
        [sys.executable, "-m", "bridge", "serve"],
        cwd=ROOT,
        env={**os.environ, **environment, "BRIDGE_SLURM_CONF_PATH": str(path), "HOME": str(shared_folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 75
    said = [line for line in done.stderr.splitlines() if line.startswith("tsm-bridge: ")]
    assert len(said) == 1
    assert words in said[0]


def test_ready_tells_of_a_slurm_conf_that_went_missing(
    slurm: PrivateSlurm, shared_folder: Path, environment: dict[str, str]
) -> None:
    path = shared_folder / "own-slurm.conf"
    path.write_text(slurm.conf_path.read_text())
    for name in ("nodes.conf", "cgroup.conf"):
        (shared_folder / name).write_text((slurm.folder / name).read_text())
    bridge = start_bridge(shared_folder, {**environment, "BRIDGE_SLURM_CONF_PATH": str(path)})
    try:
        assert bridge.get("/ready").status == 200
        path.unlink()
        for child in children_of(bridge.process.pid):
            os.kill(child, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while (ready := bridge.get("/ready")).status == 200 or "cannot" not in str(ready.body["checks"]["workers"]):
            assert time.monotonic() < deadline, ready.body
            time.sleep(0.2)
        assert "cannot read" in ready.body["checks"]["workers"]["detail"]
        assert bridge.get("/health").status == 200
    finally:
        bridge.process.kill()
        bridge.process.wait()


def test_a_supervisor_is_told_and_notices_when_it_hangs(shared_folder: Path, environment: dict[str, str]) -> None:
    address = shared_folder / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(str(address))
        address.chmod(0o777)
        supervisor.settimeout(20)
        told = {"NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": "30000000"}
        bridge = start_bridge(shared_folder, {**environment, **told})
        try:
            assert [supervisor.recv(100) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1"]
            bridge.process.send_signal(signal.SIGSTOP)
            with suppress(TimeoutError):
                while supervisor.recv(100):
                    supervisor.settimeout(5)
            supervisor.settimeout(20)
            bridge.process.send_signal(signal.SIGCONT)
            assert supervisor.recv(100) == b"WATCHDOG=1"
            bridge.process.send_signal(signal.SIGTERM)
            while (state := supervisor.recv(100)) == b"WATCHDOG=1":
                pass
            assert state == b"STOPPING=1"
            assert bridge.process.wait(10) == 0
        finally:
            bridge.process.kill()
            bridge.process.wait()
            address.unlink()


@contextmanager
def served_by_the_box(environment: dict[str, str], folder: Path, port: int) -> Iterator["subprocess.Popen[bytes]"]:
    """`container/serve`, with what it says in `folder`."""
    with (folder / "serve.log").open("wb") as log:
        process = subprocess.Popen(
            [ROOT / "container" / "serve", "--port", str(port)],
            env={"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(folder), **environment},
            user=SERVICE_USER,
            group=SERVICE_USER,
            extra_groups=[],
            stderr=log,
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def test_the_box_tries_again_until_what_is_missing_is_there(shared_folder: Path, environment: dict[str, str]) -> None:
    folder = owned_folder(shared_folder / "later")
    token_file, port = folder / "tokens.json", free_port()
    with served_by_the_box({**environment, "BRIDGE_TOKEN_FILE": str(token_file)}, folder, port) as process:
        said = folder / "serve.log"
        wait_until(lambda: said.read_text().count("is not there") >= 2, "it has been started again", 60.0)
        token_file.touch(mode=0o600)
        token_file.write_text("[]")
        os.chown(token_file, folder.stat().st_uid, folder.stat().st_gid)
        wait_until(lambda: is_healthy(port), "it is there", 60.0)
        process.terminate()
        assert process.wait(15) == 0


def test_the_box_can_be_stopped_between_two_tries(shared_folder: Path, environment: dict[str, str]) -> None:
    folder = owned_folder(shared_folder / "never")
    with served_by_the_box({**environment, "BRIDGE_TOKEN_FILE": "/nowhere"}, folder, free_port()) as process:
        wait_until(lambda: pauses(process.pid), "the first try has ended", 60.0)
        process.terminate()
        assert process.wait(15) == 0


def test_the_box_does_not_repeat_wrong_settings(shared_folder: Path, environment: dict[str, str]) -> None:
    folder = owned_folder(shared_folder / "wrong")
    with served_by_the_box({**environment, "BRIDGE_THREADS": "none"}, folder, free_port()) as process:
        assert process.wait(30) == 2


def pauses(pid: int) -> bool:
    """Whether nothing runs below it but a `sleep`."""
    with suppress(FileNotFoundError):
        return [Path(f"/proc/{child}/comm").read_text() for child in children_of(pid)] == ["sleep\n"]
    return False


def is_healthy(port: int) -> bool:
    with suppress(OSError):
        return ask(port, request("GET", "/health", {"Host": "localhost"})).status == 200
    return False
