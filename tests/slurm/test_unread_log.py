"""A log that is not read, a reader that has gone, a full disk: the service answers, and ends when it is told to."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.bridge_process import STOP_SECONDS, Bridge, service_environment, start_bridge
from tests.support.private_slurm import PrivateSlurm
from tests.support.samples import QAQC_BODY

REQUESTS = 2000  # each is a line of some 200 bytes; a pipe takes 64 KiB


@pytest.fixture(params=["stalled", "gone", "full"])
def bridge(request: pytest.FixtureRequest, slurm: PrivateSlurm, shared_folder: Path) -> Iterator[Bridge]:
    """A bridge that the test ends."""
    reading, writing = os.pipe()
    if request.param == "gone":
        os.close(reading)
    log = os.open("/dev/full", os.O_WRONLY) if request.param == "full" else writing
    folder = shared_folder / f"service-{time.monotonic_ns()}"
    folder.mkdir()
    bridge = start_bridge(shared_folder, service_environment(slurm, folder, ["/bin/true", "main.py"]), log=log)
    yield bridge
    bridge.process.kill()
    bridge.process.wait()
    for descriptor in {writing, log} | ({reading} if request.param != "gone" else set()):
        os.close(descriptor)


def test_it_goes_on_and_ends_as_always(bridge: Bridge) -> None:
    for _ in range(REQUESTS):
        assert bridge.get("/nowhere").status == 404
    assert bridge.get("/health").status == 200
    assert bridge.post("/qaqc/run", QAQC_BODY).status == 202
    bridge.process.send_signal(signal.SIGTERM)
    assert bridge.process.wait(STOP_SECONDS) == 0
