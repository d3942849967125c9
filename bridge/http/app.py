"""The HTTP application: middleware, error handlers, and the resources of the table of routes."""

from importlib.metadata import version

import falcon
import falcon.media
from pydantic_core import to_json

from bridge.config.settings import Settings
from bridge.core.errors import BridgeError
from bridge.http.documents.problems import PROBLEM_MEDIA_TYPE, answer_bridge_error, answer_bug, answer_falcon_error
from bridge.http.middleware.authentication import Authentication
from bridge.http.middleware.other_sites import OtherSites
from bridge.http.middleware.path_prefix import PathPrefix
from bridge.http.middleware.rate_limit import RateLimit
from bridge.http.middleware.request_context import RequestContext
from bridge.http.middleware.request_log import RequestLog
from bridge.http.middleware.request_metrics import RequestMetrics
from bridge.http.openapi.document import openapi_document
from bridge.http.openapi.schemas import for_strangers
from bridge.http.routes import ROUTES, scopes_by_path
from bridge.http.submission_routes import ResourceParts
from bridge.services import Services

# What web pages may read of an answer beside its body.
EXPOSED_HEADERS = ("ETag", "Idempotency-Replayed", "Location", "Retry-After", "Warning", "X-Request-ID")


def create_app(settings: Settings, services: Services) -> falcon.App[falcon.Request, falcon.Response]:
    """The WSGI application."""
    scopes = scopes_by_path()
    app = falcon.App()
    if settings.cors_origins:
        app.add_middleware(falcon.CORSMiddleware(sorted(settings.cors_origins), expose_headers=EXPOSED_HEADERS))
    app.add_middleware(PathPrefix(settings.path_prefix))
    app.add_middleware(RequestContext(settings.request_timeout_seconds))
    app.add_middleware(RequestLog())
    app.add_middleware(RequestMetrics(services.metrics.requests))
    if not services.verifiers:
        app.add_middleware(OtherSites(settings.cors_origins))
    app.add_middleware(Authentication(services.verifiers, scopes))
    app.add_middleware(RateLimit(settings.requests_per_second, scopes))
    for media_type in (falcon.MEDIA_JSON, PROBLEM_MEDIA_TYPE):
        app.resp_options.media_handlers[media_type] = falcon.media.JSONHandler(dumps=to_json)
    app.add_error_handler(Exception, answer_bug)
    app.add_error_handler(falcon.HTTPError, answer_falcon_error)
    app.add_error_handler(BridgeError, answer_bridge_error)
    is_guarded = bool(services.verifiers)
    rules = for_strangers(services.request_rules) if is_guarded else services.request_rules
    document = openapi_document(ROUTES, version("tsm-slurm-bridge"), rules, is_guarded=is_guarded)
    document["servers"] = [{"url": settings.path_prefix or "/"}]
    parts = ResourceParts(services, document)
    for route in ROUTES:
        app.add_route(route.path, route.make(parts))
    return app
