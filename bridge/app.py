"""The HTTP application: every route, middleware and error handler, and what each needs."""

from importlib.metadata import version

import falcon
import falcon.media
from pydantic_core import to_json

from bridge.auth.guard import Guard
from bridge.descriptors import JobFactory
from bridge.errors import BridgeError
from bridge.hosts import HostRules
from bridge.masking import Masker
from bridge.middleware import RequestLog
from bridge.openapi.page import Page
from bridge.openapi.specification import specification
from bridge.parts import Parts
from bridge.problems import PROBLEM_MEDIA_TYPE, answer_bridge_error, answer_bug, answer_falcon_error
from bridge.requests import ParseRequest, QaqcRequest, RequestRules
from bridge.resources.health import HealthResource, ReadyResource
from bridge.resources.jobs import JobListResource, JobQueryResource, JobResource
from bridge.resources.outputs import OutputResource
from bridge.resources.runs import RunResource
from bridge.resources.specification import PageResource, SpecificationResource
from bridge.settings import Settings
from bridge.uris import UriRules


def create_app(settings: Settings, parts: Parts) -> falcon.App[falcon.Request, falcon.Response]:
    """The WSGI application. Raises `jinja2.TemplateError` where a job script template cannot be rendered."""
    timeout_seconds = settings.request_timeout_seconds
    rules = RequestRules(
        settings.parsers,
        targets=UriRules(settings.target_schemes, HostRules.of(settings.target_hosts, settings.denied_hosts)),
        sources=UriRules(
            settings.source_schemes,
            HostRules.of(settings.source_hosts, settings.denied_hosts),
            settings.source_folders,
        ),
    )
    parse_jobs = JobFactory.for_kind(ParseRequest.kind, settings)
    qaqc_jobs = JobFactory.for_kind(QaqcRequest.kind, settings)
    masker = Masker([settings.mqtt_password.get_secret_value()] if settings.mqtt_password else [])

    document = specification(version("tsm-slurm-bridge"), rules, is_guarded=bool(parts.verifiers))

    app = falcon.App()
    app.add_middleware(RequestLog())
    app.add_middleware(Guard(parts.verifiers, timeout_seconds))
    for media_type in (falcon.MEDIA_JSON, PROBLEM_MEDIA_TYPE):
        app.resp_options.media_handlers[media_type] = falcon.media.JSONHandler(dumps=to_json)
    app.add_error_handler(Exception, answer_bug)
    app.add_error_handler(falcon.HTTPError, answer_falcon_error)
    app.add_error_handler(BridgeError, answer_bridge_error)
    app.add_route("/extractor/run", RunResource(ParseRequest, parse_jobs, rules, parts, timeout_seconds))
    app.add_route("/qaqc/run", RunResource(QaqcRequest, qaqc_jobs, rules, parts, timeout_seconds))
    app.add_route("/jobs", JobListResource(parts, timeout_seconds))
    app.add_route("/jobs/query", JobQueryResource(parts, timeout_seconds))
    app.add_route("/jobs/{job_id}", JobResource(parts, timeout_seconds))
    app.add_route("/jobs/{job_id}/stdout", OutputResource(settings.output_folder, "out", masker, parts))
    app.add_route("/jobs/{job_id}/stderr", OutputResource(settings.output_folder, "err", masker, parts))
    app.add_route("/health", HealthResource())
    app.add_route("/ready", ReadyResource(parts))
    app.add_route("/openapi.json", SpecificationResource(document))
    app.add_route("/docs", PageResource(Page.of(document)))
    return app
