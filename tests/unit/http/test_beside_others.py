"""The service beside others on one host: below a path of a proxy, and called by web pages of other origins."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import falcon.testing
import pytest

from bridge.http.app import create_app
from bridge.http.server.forwarded import behind_proxies
from bridge.services import Services
from tests.support.application import FAST
from tests.support.memory_gateway import MemoryGateway
from tests.support.samples import QAQC_BODY, settings

ROOT = Path(__file__).parents[3]
ORIGIN = "https://tsm.example.org"


@contextmanager
def application(**changes: Any) -> Iterator[falcon.testing.TestClient]:
    """As it runs behind a proxy at 192.0.2.1."""
    services = Services.of(settings(**changes), MemoryGateway(), b"secret", FAST)
    services.cache.start()
    app: Any = create_app(settings(**changes), services)
    proxied = behind_proxies(app, {"192.0.2.1"})

    def answer(environ: dict[str, Any], start_response: Any) -> Any:
        return proxied({"REMOTE_ADDR": "192.0.2.1", **environ}, start_response)

    try:
        yield falcon.testing.TestClient(answer)
    finally:
        services.cache.close()


def addresses(client: falcon.testing.TestClient, **more: Any) -> set[str]:
    """What stands before the addresses in the answers about a job."""
    headers = {**more.pop("headers", {}), "Content-Type": "application/json"}
    submitted = client.simulate_post("/qaqc/run", body=json.dumps(QAQC_BODY), headers=headers, **more)
    assert submitted.status_code == 202
    job_id = submitted.json["job_id"]
    job = client.simulate_get(f"/jobs/{job_id}", headers=headers, **more).json
    listed = client.simulate_get("/jobs", headers=headers, **more).json["jobs"]
    found = {submitted.headers["location"], submitted.json["href"], job["href"], *(each["href"] for each in listed)}
    assert job["stdout_href"] == f"{job['href']}/stdout"
    return {address.removesuffix(f"/jobs/{job_id}") for address in found}


def test_addresses_begin_with_the_prefix_of_the_settings() -> None:
    with application(path_prefix="/slurm-bridge") as client:
        assert addresses(client) == {"/slurm-bridge"}
        assert client.simulate_get("/openapi.json").json["servers"] == [{"url": "/slurm-bridge"}]
    with application() as client:
        assert addresses(client) == {""}


def test_nginx_passes_nothing_on_that_the_service_believes() -> None:
    configuration = (ROOT / "deploy" / "nginx.conf").read_text()
    for header in ("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Prefix"):
        assert f"proxy_set_header {header} " in configuration


@pytest.mark.parametrize(
    ("address", "prefix", "expected"),
    [
        pytest.param("192.0.2.1", "/tsm/bridge", "/tsm/bridge", id="proxy"),
        pytest.param("192.0.2.1", "/tsm/", "/tsm", id="slash-at-the-end"),
        pytest.param("192.0.2.1", '/"x', "", id="no-path"),
        pytest.param("192.0.2.1", "//evil.example", "", id="another-host"),
        pytest.param("192.0.2.9", "/tsm", "", id="another-client"),
    ],
)
def test_a_proxy_may_say_its_prefix(address: str, prefix: str, expected: str) -> None:
    with application() as client:
        more = {"headers": {"X-Forwarded-Prefix": prefix}, "extras": {"REMOTE_ADDR": address}}
        assert addresses(client, **more) == {expected}
        document = client.simulate_get("/openapi.json", **more)
        assert document.json["servers"] == [{"url": expected or "/"}]
        assert document.json["paths"].keys() == client.simulate_get("/openapi.json").json["paths"].keys()


def test_the_prefix_of_a_proxy_comes_before_that_of_the_settings() -> None:
    with application(path_prefix="/slurm-bridge") as client:
        more = {"headers": {"X-Forwarded-Prefix": "/tsm"}}
        assert addresses(client, **more) == {"/tsm"}
        assert client.simulate_get("/openapi.json", **more).json["servers"] == [{"url": "/tsm"}]


def test_web_pages_of_the_listed_origins_may_call() -> None:
    preflight = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "X"}
    with application(cors_origins=[ORIGIN]) as client:
        answer = client.simulate_options("/qaqc/run", headers=preflight)
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert "POST" in answer.headers["access-control-allow-methods"]
        listed = client.simulate_get("/jobs", headers={"Origin": ORIGIN})
        assert listed.headers["access-control-allow-origin"] == ORIGIN
        assert "Location" in listed.headers["access-control-expose-headers"]
        other = client.simulate_options("/qaqc/run", headers={**preflight, "Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in other.headers
    with application() as client:
        assert "access-control-allow-origin" not in client.simulate_options("/qaqc/run", headers=preflight).headers
