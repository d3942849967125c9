"""The services that are compared, each started fresh on a private Slurm, and what they cost in CPU."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bridge.jobs.requests.script import render_job_script
from tests.support.bridge_process import ROOT, SERVICE_USER, children_of, owned_folder, running_bridge
from tests.support.ports import free_port
from tests.support.private_slurm import PrivateSlurm
from tests.support.samples import QAQC_BODY, of_each_kind

EXTRACTOR_COMMAND = ("/usr/bin/python3", "/opt/extractor/main.py")
START_SECONDS = 15.0


def run_as_service_user(slurm: PrivateSlurm, *arguments: str) -> str:
    """Run `python -m ARGUMENTS` on that Slurm as the service's user; returns what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env={**slurm.environment, "PYTHONDONTWRITEBYTECODE": "1"},
        user=SERVICE_USER,
        group=SERVICE_USER,
        extra_groups=[],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


@dataclass(frozen=True, slots=True)
class Service:
    """A running service, and the request that submits a job of kind qaqc to it."""

    url: str
    body: object
    headers: Mapping[str, str]
    pid: int


@dataclass(frozen=True, slots=True)
class StatusService:
    """A running service, and how it is asked for jobs."""

    url: str
    job_path: Callable[[str], str]
    list_path: str | None
    headers: Mapping[str, str]
    pid: int


Starter = Callable[[PrivateSlurm, Path], AbstractContextManager[Service]]


@contextmanager
def bridge(slurm: PrivateSlurm, folder: Path) -> Iterator[Service]:
    """This project."""
    with running_bridge(folder, bridge_environment(slurm, folder)) as running:
        yield Service(f"{running.url}/qaqc/run", QAQC_BODY, {}, running.process.pid)


def bridge_environment(slurm: PrivateSlurm, folder: Path) -> dict[str, str]:
    """What the bridge is told; everything else is its default."""
    return {
        **slurm.environment,
        "BRIDGE_OUTPUT_FOLDER": str(owned_folder(folder / "output")),
        "BRIDGE_REQUESTS_PER_SECOND": "1000000",  # one address sends them all
        **of_each_kind("extractor_command", json.dumps(EXTRACTOR_COMMAND)),
    }


@contextmanager
def slurmrestd(slurm: PrivateSlurm, folder: Path) -> Iterator[Service]:
    """Slurm's own REST service, signing with a token; the same script, a comment and an environment much like ours."""
    output_folder = owned_folder(folder / "output")
    job = {
        "script": render_job_script("qaqc", EXTRACTOR_COMMAND),
        "job": {
            "name": "qaqc",
            "comment": '{"kind":"qaqc","thing":"ce2b4fb6-d9de-11eb-a236-125e5a40a845","req":"1"}',
            "current_working_directory": str(output_folder),
            "environment": ["PATH=/usr/bin:/bin", *(f"TSM_{name.upper()}={text}" for name, text in QAQC_BODY.items())],
        },
    }
    with _running_slurmrestd(slurm, folder) as (url, headers, pid):
        yield Service(f"{url}/slurm/v0.0.44/job/submit", job, headers, pid)


@contextmanager
def flask_and_sbatch(slurm: PrivateSlurm, folder: Path) -> Iterator[Service]:
    """See `bench.flask_sbatch`."""
    port = free_port()
    script = render_job_script("qaqc", EXTRACTOR_COMMAND)
    argv = [sys.executable, "-m", "bench.flask_sbatch", str(port), script, str(owned_folder(folder / "output"))]
    with _process(argv, slurm.environment, folder, port, user=SERVICE_USER) as pid:
        yield Service(f"http://127.0.0.1:{port}/qaqc/run", QAQC_BODY, {}, pid)


@contextmanager
def bridge_status(slurm: PrivateSlurm, folder: Path) -> Iterator[StatusService]:
    """This project."""
    with running_bridge(folder, bridge_environment(slurm, folder)) as running:
        yield StatusService(running.url, "/jobs/{}".format, "/jobs", {}, running.process.pid)


@contextmanager
def slurmrestd_status(slurm: PrivateSlurm, folder: Path) -> Iterator[StatusService]:
    """Slurm's own REST service; it has no shorter list than that of all jobs."""
    with _running_slurmrestd(slurm, folder) as (url, headers, pid):
        yield StatusService(url, "/slurm/v0.0.44/job/{}".format, "/slurm/v0.0.44/jobs/", headers, pid)


@contextmanager
def empty_falcon(_slurm: PrivateSlurm, folder: Path) -> Iterator[StatusService]:
    """See `bench.empty_falcon`."""
    port = free_port()
    with _process([sys.executable, "-m", "bench.empty_falcon", str(port)], {}, folder, port, user=SERVICE_USER) as pid:
        yield StatusService(f"http://127.0.0.1:{port}", "/jobs/{}".format, None, {}, pid)


@contextmanager
def _running_slurmrestd(slurm: PrivateSlurm, folder: Path) -> Iterator[tuple[str, dict[str, str], int]]:
    token = slurm.run("scontrol", "token", f"username={SERVICE_USER}", "lifespan=3600").strip().split("=", 1)[1]
    port = free_port()
    # It refuses to serve as root, and as the user whose jobs it is to submit it would need no token.
    argv = ["slurmrestd", "-a", "rest_auth/jwt", "-u", "daemon", "-g", "daemon", f"127.0.0.1:{port}"]
    headers = {"X-SLURM-USER-NAME": SERVICE_USER, "X-SLURM-USER-TOKEN": token}
    with _process(argv, {**slurm.environment, "SLURM_JWT": "daemon"}, folder, port) as pid:
        yield f"http://127.0.0.1:{port}", headers, pid


def cpu_seconds(pids: Iterable[int]) -> float:
    """CPU time that these processes, their children, and the children they have waited for, have used."""
    return sum(_ticks(pid) for pid in pids) / os.sysconf("SC_CLK_TCK")


def _ticks(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0  # it has ended meanwhile, and counts as waited for
    own = sum(int(field) for field in fields[11:15])  # utime, stime, cutime, cstime: proc(5)
    return own + sum(_ticks(child) for child in children_of(pid))


@contextmanager
def _process(
    argv: list[str], environment: Mapping[str, str], folder: Path, port: int, user: str | None = None
) -> Iterator[int]:
    with (folder / "peer.log").open("ab") as log:
        process = subprocess.Popen(
            argv,
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **environment},
            user=user,
            group=user,
            extra_groups=[] if user else None,
            stdout=log,
            stderr=log,
        )
    try:
        _wait_until_listening(process, folder / "peer.log", port)
        yield process.pid
    finally:
        process.kill()
        process.wait()


def _wait_until_listening(process: "subprocess.Popen[bytes]", log_path: Path, port: int) -> None:
    listening = f"0100007F:{port:04X} 00000000:0000 0A"
    deadline = time.monotonic() + START_SECONDS
    while listening not in Path("/proc/net/tcp").read_text():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{process.args!r} does not listen:\n{log_path.read_text()}")
        time.sleep(0.05)
