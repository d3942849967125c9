"""`/failures`: jobs that ended badly, and running them again."""

import falcon

from bridge.core.concurrency_limit import ConcurrencyLimit
from bridge.http.documents.failures_json import failures_document, rerun_document
from bridge.http.documents.query_models import FailuresQuery, FailuresRetryQuery, read_query
from bridge.http.documents.request_body import read_json_body, read_request, refuse_query
from bridge.http.resources.jobs import say_how_recent
from bridge.jobs.failures.failures import Failures
from bridge.jobs.failures.reruns import FailureRerunner
from bridge.jobs.status.lookup import JobLookup


class FailuresResource:
    """All jobs of the bridge that ended badly."""

    def __init__(self, failures: Failures, lookup: JobLookup) -> None:
        self._failures = failures
        self._lookup = lookup

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """200 with them, in groups."""
        wanted = read_query(FailuresQuery, request).filter()
        found = self._failures.find(wanted, request.context.deadline)
        say_how_recent(response, self._lookup)
        response.data = failures_document(found, wanted)

    on_head = on_get


class FailuresRetryResource:
    """Jobs that ended badly and are to run again."""

    def __init__(self, rerunner: FailureRerunner, slurm_limit: ConcurrencyLimit) -> None:
        self._rerunner = rerunner
        self._slurm_limit = slurm_limit

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """202 with the jobs that run again, or 200 with those that would."""
        refuse_query(request)
        query = read_request(FailuresRetryQuery, read_json_body(request))
        if query.dry_run:
            rerun = self._rerunner.preview(query.filter(), request.context.deadline)
        else:
            response.status = falcon.HTTP_202
            with self._slurm_limit:
                rerun = self._rerunner.run(query.filter(), query.per_minute, request.context.deadline)
        request.context.log = {"jobs": len(rerun.job_ids), "is_dry_run": query.dry_run}
        response.media = rerun_document(rerun, is_dry=query.dry_run)
