"""`/failures`: jobs that ended badly, and running them again."""

import falcon

from bridge.core.concurrency_limit import ConcurrencyLimit
from bridge.http.documents.failures_json import failures_document, rerun_document
from bridge.http.documents.query_models import FailuresQuery, FailuresRetryQuery, read_query
from bridge.http.documents.request_body import read_json_body, read_request, refuse_query
from bridge.http.resources.jobs import say_how_recent
from bridge.jobs.failures.failures import FailureFilter, Failures
from bridge.jobs.failures.reruns import FailureRerunner
from bridge.jobs.status.lookup import JobLookup


class FailuresResource:
    """All jobs of the bridge that ended badly.

    The last answer is kept until the next look at the queue: pages that people have open all ask the same.
    """

    def __init__(self, failures: Failures, lookup: JobLookup) -> None:
        self._failures = failures
        self._lookup = lookup
        self._last = (FailureFilter(), 0.0, b"")  # what was asked for, when the queue stood like this, the answer

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """200 with them, in groups."""
        wanted = read_query(FailuresQuery, request).filter()
        self._lookup.wait_until_seen(request.context.deadline)
        asked, looked_at, answer = self._last
        if asked != wanted or looked_at != self._lookup.looked_at:
            found = self._failures.find(wanted, request.context.deadline)
            answer = failures_document(found, wanted)
            self._last = (wanted, found.looked_at, answer)
        say_how_recent(response, self._lookup)
        response.data = answer

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
