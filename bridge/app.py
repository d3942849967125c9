"""The HTTP application: every route, middleware and error handler, and what each needs."""

import falcon
import falcon.media
from pydantic_core import to_json

from bridge.admission import Admission
from bridge.cancellations import Cancellations
from bridge.descriptors import JobFactory
from bridge.errors import BridgeError
from bridge.identity import Digests
from bridge.inquiries import Inquiries
from bridge.middleware import RequestLog
from bridge.problems import PROBLEM_MEDIA_TYPE, answer_bridge_error, answer_bug, answer_falcon_error
from bridge.requests import ParseRequest, QaqcRequest, RequestRules
from bridge.resources.health import HealthResource, ReadyResource
from bridge.resources.jobs import JobListResource, JobQueryResource, JobResource
from bridge.resources.runs import RunResource
from bridge.settings import Settings
from bridge.slurm.board import Board
from bridge.slurm.gateway import Gateway
from bridge.submissions import Submissions


def create_app(
    settings: Settings,
    gateway: Gateway,
    board: Board,
    submissions: Submissions,
    inquiries: Inquiries,
    cancellations: Cancellations,
    digests: Digests,
    admission: Admission,
) -> falcon.App[falcon.Request, falcon.Response]:
    """The WSGI application. Raises `jinja2.TemplateError` where a job script template cannot be rendered."""
    timeout_seconds = settings.request_timeout_seconds
    rules = RequestRules(settings.parsers, settings.target_schemes, settings.source_schemes)
    parse_jobs = JobFactory.for_kind(ParseRequest.kind, settings)
    qaqc_jobs = JobFactory.for_kind(QaqcRequest.kind, settings)
    parse = RunResource(ParseRequest, parse_jobs, rules, digests, submissions, admission, timeout_seconds)
    qaqc = RunResource(QaqcRequest, qaqc_jobs, rules, digests, submissions, admission, timeout_seconds)

    app = falcon.App(middleware=[RequestLog()])
    for media_type in (falcon.MEDIA_JSON, PROBLEM_MEDIA_TYPE):
        app.resp_options.media_handlers[media_type] = falcon.media.JSONHandler(dumps=to_json)
    app.add_error_handler(Exception, answer_bug)
    app.add_error_handler(falcon.HTTPError, answer_falcon_error)
    app.add_error_handler(BridgeError, answer_bridge_error)
    app.add_route("/extractor/run", parse)
    app.add_route("/qaqc/run", qaqc)
    app.add_route("/jobs", JobListResource(board, inquiries, timeout_seconds))
    app.add_route("/jobs/query", JobQueryResource(board, inquiries, timeout_seconds))
    app.add_route("/jobs/{job_id}", JobResource(board, inquiries, cancellations, admission, timeout_seconds))
    app.add_route("/health", HealthResource())
    app.add_route("/ready", ReadyResource(gateway, board))
    return app
