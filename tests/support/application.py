"""The application on the in-memory gateway, for unit tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import falcon.testing

from bridge.config.settings import Settings
from bridge.http.app import create_app
from bridge.jobs.status.look_interval import LookPace
from bridge.services import Services, Tuning
from tests.support.contract import Contract
from tests.support.memory_gateway import MemoryGateway

FAST = Tuning(pace=LookPace(min_seconds=0.02, idle_max_seconds=0.02))


class CheckedClient(falcon.testing.TestClient):
    """A client that insists on answers as `/openapi.json` has them."""

    def __init__(self, app: Any) -> None:
        super().__init__(app)
        self.contract = Contract(super().simulate_request("GET", "/openapi.json").json)

    def simulate_request(self, *args: Any, **kwargs: Any) -> falcon.testing.Result:
        """See `TestClient`."""
        result = super().simulate_request(*args, **kwargs)
        method, path = (*args, kwargs.get("method"), kwargs.get("path"))[:2]
        headers = {name.lower(): value for name, value in result.headers.items()}
        self.contract.check(method, path.partition("?")[0], result.status_code, headers, result.content)
        return result


@contextmanager
def running_application(gateway: MemoryGateway, settings: Settings, tuning: Tuning = FAST) -> Iterator[CheckedClient]:
    """A client of it, as `bridge.http.server.serve` puts it together."""
    services = Services.of(settings, gateway, b"secret", tuning)
    services.cache.start()
    services.automatic_retry.start()
    try:
        yield CheckedClient(create_app(settings, services))
    finally:
        services.automatic_retry.close()
        services.cache.close()
