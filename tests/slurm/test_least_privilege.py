"""The service does its work with what `deploy/slurm-bridge.service` leaves it, and writes where that says."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.cli.exit_codes import ExitCode
from bridge.http.server.waitress_server import CHECK_SECONDS
from tests.support.bridge_process import ROOT, SERVICE_USER, Bridge, owned_folder, running_bridge, service_environment
from tests.support.confined_service import UNIT, settings_of
from tests.support.private_slurm import PrivateSlurm
from tests.support.samples import PARSE_BODY

WRITABLE_PLACES = ("/tmp", "/work", "/run", "/var", "/home", "/dev/shm", "/etc", "/opt")
EXPOSURE_MAX = 20  # tenths; systemd calls 50 medium


@pytest.fixture(scope="module")
def started_at(shared_folder: Path) -> Path:
    """A file that is as old as the service."""
    path = shared_folder / "started"
    path.touch()
    return path


@pytest.fixture(scope="module")
def bridge(slurm: PrivateSlurm, shared_folder: Path, started_at: Path) -> Iterator[Bridge]:
    state = owned_folder(shared_folder / "state")
    more = {"BRIDGE_DIGEST_SECRET_PATH": str(state / "secret"), "HOME": "/home/sontsm", "VERBOSE": "true"}
    environment = service_environment(slurm, shared_folder, ["/usr/bin/python3", "-", "/dev/null"], **more)
    with running_bridge(shared_folder, environment, program="tests.support.confined_service") as bridge:
        yield bridge
        assert "Traceback" not in bridge.log


def test_it_does_all_its_work(bridge: Bridge) -> None:
    status = Path(f"/proc/{bridge.process.pid}/status").read_text()
    for line in ("NoNewPrivs:\t1", "Seccomp:\t2", "CapPrm:\t0000000000000000"):
        assert line in status
    assert len(os.sched_getaffinity(bridge.process.pid)) == 1
    assert bridge.get("/ready").status == 200
    # Beyond what waitress keeps in memory.
    assert bridge.post("/extractor/run", {**PARSE_BODY, "parser": "x" * 2**20}).status == 413
    job_id = bridge.post("/extractor/run", PARSE_BODY, key="key").body["job_id"]
    bridge.wait_until_finished(job_id)
    assert bridge.get_bytes(f"/jobs/{job_id}/stderr").status == 200
    waiting = bridge.post("/extractor/run", PARSE_BODY).body["job_id"]
    assert bridge.delete(f"/jobs/{waiting}").status in (202, 409)


def test_it_writes_its_secret_and_nothing_else(bridge: Bridge, started_at: Path, shared_folder: Path) -> None:
    """Everything that belongs to its user and is newer than its start.

    Slurm writes the outputs for the jobs; other files of tests belong to services that other tests run beside this.
    """
    job_id = bridge.post("/extractor/run", PARSE_BODY).body["job_id"]
    bridge.wait_until_finished(job_id)
    newer = ["-newer", str(started_at), "-user", SERVICE_USER]
    found = subprocess.run(["find", *WRITABLE_PLACES, *newer], capture_output=True, text=True, check=True).stdout
    outputs = shared_folder / "output"
    written = {
        path
        for path in map(Path, found.splitlines())
        if not (path.is_relative_to(outputs) or is_of_another_test(path, shared_folder))
    }
    assert written == {shared_folder / "state", shared_folder / "state" / "secret"}


def is_of_another_test(path: Path, own_folder: Path) -> bool:
    """Whether `path` is in a folder that `conftest.shared_folder` or pytest made for another test."""
    return path.parts[2].startswith(("bridge-test-", "pytest-of-")) and not path.is_relative_to(own_folder)


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    """With programs that are there: systemd looks."""
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/slurm-bridge/bin/tsm-bridge", "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_systemd_rates_the_unit(tmp_path: Path) -> None:
    rate = ["systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE_MAX}"]
    done = subprocess.run([*rate, UNIT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_unit_knows_what_the_service_does() -> None:
    settings = settings_of(UNIT)
    assert settings["RestartPreventExitStatus"] == [str(int(ExitCode.USAGE))]
    assert (settings["Type"], settings["StartLimitIntervalSec"]) == (["notify"], ["0"])
    assert float(settings["WatchdogSec"][0]) > 10 * CHECK_SECONDS
    assert float(settings["TimeoutStopSec"][0]) > 15.0  # request_timeout_seconds


@pytest.mark.parametrize(
    "attempt",
    [
        pytest.param("import mmap; mmap.mmap(-1, 4096, prot=7)", id="writable-and-executable"),
        pytest.param("import socket; socket.socket(socket.AF_NETLINK)", id="address-family"),
        pytest.param("import os; os.unshare(os.CLONE_NEWUSER)", id="system-call"),
        pytest.param("import os; os.chown('/tmp', -1, -1)", id="privileged"),
    ],
)
def test_the_limits_hold_in_these_tests(attempt: str) -> None:
    program = f"from tests.support.confined_service import confine; confine()\n{attempt}"
    environment = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "Error: [Errno" in done.stderr, json.dumps(done.stderr)
