"""The application on the in-memory gateway, for unit tests."""

from collections.abc import Iterator
from contextlib import contextmanager

import falcon.testing

from bridge.app import create_app
from bridge.parts import Parts
from bridge.settings import Settings
from tests.support.memory_gateway import MemoryGateway


@contextmanager
def running_application(gateway: MemoryGateway, settings: Settings) -> Iterator[falcon.testing.TestClient]:
    """A client of it, as `bridge.server` puts it together."""
    parts = Parts.of(settings, gateway, b"secret")
    parts.board.start()
    try:
        yield falcon.testing.TestClient(create_app(settings, parts))
    finally:
        parts.board.close()
