"""What the service's processes leave behind, and what other users and processes get to see of them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.bridge_process import ROOT, SERVICE_USER, Bridge, running_bridge, service_environment, workers_of
from tests.support.private_slurm import PrivateSlurm
from tests.support.samples import QAQC_BODY
from tests.support.waiting import wait_until

PRINTS_ITS_LIMIT = "import resource; print(resource.getrlimit(resource.RLIMIT_CORE))"


@pytest.fixture(scope="module")
def bridge(slurm: PrivateSlurm, shared_folder: Path) -> Iterator[Bridge]:
    extractor = shared_folder / "extractor.py"
    extractor.write_text(PRINTS_ITS_LIMIT)
    environment = service_environment(
        slurm, shared_folder, ["/usr/bin/python3", str(extractor)], HOME=str(shared_folder / "output")
    )
    with running_bridge(shared_folder, environment) as bridge:
        yield bridge


@pytest.fixture
def processes(bridge: Bridge) -> list[int]:
    """The web process and its workers, once all have started."""
    wait_until(lambda: bridge.get("/ready").status == 200, "the service is ready")
    workers = workers_of(bridge.process.pid)
    assert len(workers) >= 8
    return [bridge.process.pid, *workers]


def test_no_process_may_leave_a_core(processes: list[int]) -> None:
    for pid in processes:
        (limit,) = [line for line in Path(f"/proc/{pid}/limits").read_text().splitlines() if "core file" in line]
        assert limit.split()[-3:] == ["0", "0", "bytes"], pid


def test_memory_and_environment_are_closed_to_the_same_user(processes: list[int]) -> None:
    for pid in processes:
        # The kernel gives these files of a process that may not be dumped to root.
        assert Path(f"/proc/{pid}/environ").stat().st_uid == 0, pid
        for name in ("environ", "mem", "maps"):
            done = subprocess.run(
                ["cat", f"/proc/{pid}/{name}"], user=SERVICE_USER, group=SERVICE_USER, capture_output=True, check=False
            )
            assert b"Permission denied" in done.stderr, name


@pytest.mark.parametrize(("is_hardened", "leaves_core"), [(True, False), (False, True)])
def test_a_crash_leaves_no_core(tmp_path: Path, is_hardened: bool, leaves_core: bool) -> None:
    crash = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
    program = (
        f"from bridge.core.process import forbid_core_dumps; forbid_core_dumps(); {crash}" if is_hardened else crash
    )
    process = subprocess.Popen(
        ["sh", "-c", 'ulimit -c unlimited && exec "$@"', "sh", sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    _, status = os.waitpid(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == -signal.SIGSEGV
    assert os.WCOREDUMP(status) is leaves_core


def test_jobs_have_the_clusters_limits(bridge: Bridge, slurm: PrivateSlurm) -> None:
    """They inherit slurmd's, not the service's."""
    job_id = bridge.post("/qaqc/run", QAQC_BODY).body["job_id"]
    assert bridge.wait_until_finished(job_id)["state"] == "COMPLETED"
    node = slurm.daemon_pids[-1]
    (limit,) = [line for line in Path(f"/proc/{node}/limits").read_text().splitlines() if "core file" in line]
    soft, hard = (-1 if text == "unlimited" else int(text) for text in limit.split()[-3:-1])
    assert bridge.get_bytes(f"/jobs/{job_id}/stdout").body.decode() == f"({soft}, {hard})\n"
