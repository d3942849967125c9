"""A controller that is stopped for 15 s under eight submitting clients: what the others notice, and how it ends.

Usage, as root in the box: ./container/shell python -m bench.outage
"""

import statistics
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path

from bench import peers
from tests.support.bridge_process import Bridge, children_of, running_bridge
from tests.support.private_slurm import PrivateSlurm
from tests.support.samples import QAQC_BODY

CLIENTS = 8
OUTAGE_SECONDS = 15.0
HEALTH_PAUSE_SECONDS = 0.02
CALM_SECONDS = 20.0  # before and after: longer than a request may take


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "slurm").mkdir()
        with (
            PrivateSlurm(folder / "slurm", cpus=64) as slurm,
            running_bridge(folder, peers.bridge_environment(slurm, folder)) as bridge,
        ):
            measure(slurm, bridge)


def measure(slurm: PrivateSlurm, bridge: Bridge) -> None:
    """The outage, and everything that is told of it."""
    answers: list[tuple[float, int]] = []  # when, and with which status
    is_over = threading.Event()

    def submit() -> None:
        while not is_over.is_set():
            try:
                status = bridge.post("/qaqc/run", QAQC_BODY).status
            except (OSError, HTTPException):
                status = 0
            answers.append((time.monotonic(), status))
            time.sleep(0.05)

    with ThreadPoolExecutor(CLIENTS) as clients:
        for _ in range(CLIENTS):
            clients.submit(submit)
        time.sleep(CALM_SECONDS)
        before = tally(bridge)
        print(f"stopping the controller for {OUTAGE_SECONDS:g} s")
        slurm.pause_controller()
        stopped_at = time.monotonic()
        try:
            latencies = sample_health(bridge, stopped_at + OUTAGE_SECONDS)
        finally:
            slurm.resume_controller()
        resumed_at = time.monotonic()
        time.sleep(CALM_SECONDS)
        after = tally(bridge)
        is_over.set()

    first = min(at for at, status in answers if status == 202 and at > resumed_at)
    during = Counter(status for at, status in answers if stopped_at < at < resumed_at)
    p99 = 1000 * statistics.quantiles(latencies, n=100)[98]
    print(f"/health, {len(latencies)} times: p99 {p99:.1f} ms")
    print(f"answers during the outage, by status: {dict(during)}")
    print(f"first 202 after the controller went on: {first - resumed_at:.2f} s")
    print(f"threads and processes of the service: {before} before, {after} after")


def sample_health(bridge: Bridge, until_seconds: float) -> list[float]:
    """How long `/health` takes, in seconds, again and again."""
    latencies = []
    while time.monotonic() < until_seconds:
        begun_at = time.monotonic()
        bridge.get("/health")
        latencies.append(time.monotonic() - begun_at)
        time.sleep(HEALTH_PAUSE_SECONDS)
    return latencies


def tally(bridge: Bridge) -> tuple[int, int]:
    """The numbers of the service's threads and of its child processes."""
    pid = bridge.process.pid
    return len(list(Path(f"/proc/{pid}/task").iterdir())), len(children_of(pid))


if __name__ == "__main__":
    main()
