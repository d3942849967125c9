"""Clients that mean no good, and one that does: it must not notice them."""

import os
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.support import abusers
from tests.support.bridge_process import Bridge, running_bridge, service_environment
from tests.support.private_slurm import PrivateSlurm
from tests.support.raw_http import RawAnswer, ask, connect, read_answer, request
from tests.support.samples import QAQC_BODY

SAMPLES = 1000
SAMPLES_A_POST = 200
PAUSE_SECONDS = 0.005
P99_MAX_SECONDS = 0.2
CONNECTIONS_MAX = 1000  # the default of max_connections


@pytest.fixture(scope="module")
def bridge(slurm: PrivateSlurm, shared_folder: Path) -> Iterator[Bridge]:
    environment = service_environment(slurm, shared_folder, ["/bin/true", "main.py"])
    with running_bridge(shared_folder, environment) as bridge:
        yield bridge


def port_of(bridge: Bridge) -> int:
    return int(bridge.url.rpartition(":")[2])


def descriptors(bridge: Bridge) -> int:
    return len(os.listdir(f"/proc/{bridge.process.pid}/fd"))  # noqa: PTH208 (a path that changes meanwhile)


@pytest.mark.parametrize(
    "abuse",
    [
        pytest.param(None, id="none"),
        pytest.param(abusers.be_slow, id="slowloris"),
        pytest.param(abusers.be_idle, id="idle"),
        pytest.param(abusers.declare_much, id="declared-1-GiB"),
        pytest.param(abusers.never_end, id="endless-body"),
        pytest.param(abusers.send_headers, id="headers"),
        pytest.param(abusers.be_deaf, id="answers-unread"),
    ],
)
def test_a_normal_client_does_not_notice(bridge: Bridge, abuse: abusers.Abuse | None) -> None:
    job_id = bridge.post("/qaqc/run", QAQC_BODY).body["job_id"]
    with nullcontext() if abuse is None else abusers.abusing(abuse, port_of(bridge)):
        seconds = sorted(ask_again_and_again(bridge, job_id))
        assert descriptors(bridge) < CONNECTIONS_MAX + 256
    p50, p99 = seconds[SAMPLES // 2], seconds[SAMPLES * 99 // 100]
    print(f"p50 {1000 * p50:.1f} ms, p99 {1000 * p99:.1f} ms, longest {1000 * seconds[-1]:.1f} ms")
    assert p99 < P99_MAX_SECONDS


def ask_again_and_again(bridge: Bridge, job_id: str) -> Iterator[float]:
    """How long each GET takes, by turns on a connection that stays and on a new one; now and then there is a POST."""
    port = port_of(bridge)
    question = request("GET", f"/jobs/{job_id}", {"Host": "localhost"})
    with connect(port) as connection:
        for number in range(SAMPLES):
            if number % SAMPLES_A_POST == 0:
                assert bridge.post("/qaqc/run", QAQC_BODY).status == 202
            started = time.monotonic()
            if number % 2:
                answer = ask(port, question)
            else:
                connection.sendall(question)
                answer = read_answer(connection)
            yield time.monotonic() - started
            assert answer.status == 200, answer
            time.sleep(PAUSE_SECONDS)


def test_who_asks_too_often_is_told_and_served_again(slurm: PrivateSlurm, shared_folder: Path) -> None:
    folder = shared_folder / "limited"
    folder.mkdir()
    environment = service_environment(
        slurm, folder, ["/bin/true", "main.py"], BRIDGE_REQUESTS_PER_SECOND="20", BRIDGE_TRUSTED_PROXIES='["127.0.0.1"]'
    )
    with running_bridge(folder, environment) as bridge:
        answers = [ask_as(bridge, "192.0.2.1") for _ in range(60)]
        refused = [answer for answer in answers if answer.status == 429]
        assert refused
        assert {answer.headers["retry-after"] for answer in refused} == {"1"}
        assert {answer.problem_type for answer in refused} == {"too-many-requests"}
        assert ask_as(bridge, "192.0.2.2").status == 200
        assert bridge.get("/health").status == 200
        time.sleep(float(refused[0].headers["retry-after"]))
        assert ask_as(bridge, "192.0.2.1").status == 200


def ask_as(bridge: Bridge, address: str) -> RawAnswer:
    """`GET /jobs` as a proxy sends it for `address`."""
    return ask(port_of(bridge), request("GET", "/jobs", {"Host": "localhost", "X-Forwarded-For": address}))
