"""Which methods of the routes are for everybody."""

from typing import Any

import falcon.inspect
import pytest

from bridge.app import create_app
from bridge.parts import Parts
from tests.support.memory_gateway import MemoryGateway
from tests.support.samples import settings

PUBLIC = {"/health", "/ready", "/openapi.json", "/docs"}


@pytest.mark.parametrize("is_public", [False, True], ids=["guarded", "public"])
def test_every_method_needs_a_scope_unless_its_route_is_public(is_public: bool) -> None:
    app = create_app(settings(), Parts.of(settings(), MemoryGateway(), b"secret"))
    routes = [route for route in falcon.inspect.inspect_routes(app) if (route.path in PUBLIC) == is_public]
    assert routes
    for route in routes:
        found: Any = app._router.find(route.path.replace("{job_id}", "1"))
        resource = found[0]
        methods = {name.removeprefix("on_").upper() for name in dir(resource) if name.startswith("on_")} - {"HEAD"}
        assert set(resource.scopes) == (set() if is_public else methods), route.path
