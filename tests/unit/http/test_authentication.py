"""Which methods of the routes are for everybody."""

from bridge.http.routes import ROUTES

PUBLIC = {"/health", "/ready", "/openapi.json", "/docs", "/", "/page/{name}"}


def test_every_method_needs_a_scope_unless_its_route_is_public() -> None:
    open_paths = {route.path for route in ROUTES for operation in route.operations if operation.scope is None}
    guarded_paths = {route.path for route in ROUTES for operation in route.operations if operation.scope}
    assert open_paths == PUBLIC
    assert guarded_paths.isdisjoint(PUBLIC)
