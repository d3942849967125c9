"""How many requests a client may send, on the routes."""

from collections.abc import Iterator

import falcon.testing
import pytest

from bridge.http.middleware import rate_limit as rates
from tests.support.application import running_application
from tests.support.clock import Clock
from tests.support.memory_gateway import MemoryGateway
from tests.support.samples import settings

PER_SECOND = 3
ANOTHER = {"REMOTE_ADDR": "192.0.2.7"}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(rates, "time", clock)
    return clock


@pytest.fixture
def client() -> Iterator[falcon.testing.TestClient]:
    with running_application(MemoryGateway(), settings(requests_per_second=PER_SECOND)) as client:
        yield client


def test_the_next_request_is_refused_until_the_next_second(client: falcon.testing.TestClient, clock: Clock) -> None:
    assert [client.simulate_get("/jobs").status_code for _ in range(PER_SECOND)] == [200] * PER_SECOND
    refused = client.simulate_get("/jobs/1")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert (refused.json["type"], refused.json["retryable"]) == ("urn:tsm-slurm-bridge:too-many-requests", True)
    assert client.simulate_post("/qaqc/run").status_code == 429
    assert client.simulate_head("/jobs").status_code == 429
    clock.now_seconds += 1
    assert client.simulate_get("/jobs").status_code == 200


@pytest.mark.usefixtures("clock")
def test_each_address_has_its_own_share(client: falcon.testing.TestClient) -> None:
    for _ in range(PER_SECOND + 1):
        client.simulate_get("/jobs")
    assert client.simulate_get("/jobs", extras=ANOTHER).status_code == 200
    assert client.simulate_get("/jobs").status_code == 429


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("path", ["/health", "/ready"])
def test_what_monitors_ask_is_not_counted(client: falcon.testing.TestClient, path: str) -> None:
    assert 429 not in [client.simulate_get(path).status_code for _ in range(PER_SECOND + 5)]
    assert client.simulate_get("/jobs").status_code == 200
