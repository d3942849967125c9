"""`/jobs`: how jobs stand, and their cancellation."""

from collections.abc import Sequence
from contextlib import suppress

import falcon

from bridge.core.concurrency_limit import CallerShares, ConcurrencyLimit
from bridge.core.errors import OverloadedError
from bridge.http.documents.job_json import entity_tag, job_document, page_document, page_tag, query_document
from bridge.http.documents.query_models import JobIdsQuery, JobListQuery, JobQuery, read_query
from bridge.http.documents.request_body import read_json_body, read_request, refuse_query
from bridge.http.middleware.request_context import HAS_HUNG_UP, client_of
from bridge.jobs.status.job_view import JobView
from bridge.jobs.status.lookup import JobLookup
from bridge.jobs.submission.cancellation import JobCanceller
from bridge.jobs.submission.retry import JobRetrier

BUSY_RETRY_SECONDS = "1"  # for clients that were not let wait


class JobResource:
    """One job of the bridge; jobs of others are not found."""

    def __init__(
        self, lookup: JobLookup, canceller: JobCanceller, slurm_limit: ConcurrencyLimit, wait_shares: CallerShares
    ) -> None:
        self._lookup = lookup
        self._canceller = canceller
        self._slurm_limit = slurm_limit
        self._wait_shares = wait_shares

    def on_get(self, request: falcon.Request, response: falcon.Response, job_id: str) -> None:
        """200 with the job, 304 where the client has it already; held back for `wait` seconds until it changes."""
        query = read_query(JobQuery, request)
        view = self._lookup.find(job_id, request.context.deadline)
        if query.wait and view.may_change and _may_be_up_to_date(request, view):
            waited = self._wait(request, view, query.wait)
            if waited is None:
                response.set_header("Retry-After", BUSY_RETRY_SECONDS)
            else:
                view = waited
        response.set_header("ETag", f'W/"{entity_tag(view)}"')
        say_how_recent(response, self._lookup)
        if request.if_none_match and _may_be_up_to_date(request, view):
            response.status = falcon.HTTP_304
        else:
            response.data = job_document(view)

    on_head = on_get

    def _wait(self, request: falcon.Request, view: JobView, seconds: float) -> JobView | None:
        """See `JobLookup.wait`; it ends, too, when the client has gone."""
        has_hung_up = request.env.get(HAS_HUNG_UP, lambda: False)
        with suppress(OverloadedError), self._wait_shares.of(client_of(request)):
            return self._lookup.wait(view, seconds, request.context.deadline, has_hung_up)
        return None

    def on_delete(self, request: falcon.Request, response: falcon.Response, job_id: str) -> None:
        """202 with the job as it stood before: it ends soon."""
        refuse_query(request)
        with self._slurm_limit:
            view = self._canceller.cancel(job_id, request.context.deadline)
        response.status = falcon.HTTP_202
        response.data = job_document(view)


class RetryResource:
    """A job that is to be run again."""

    def __init__(self, retrier: JobRetrier, slurm_limit: ConcurrencyLimit) -> None:
        self._retrier = retrier
        self._slurm_limit = slurm_limit

    def on_post(self, request: falcon.Request, response: falcon.Response, job_id: str) -> None:
        """202 with the job, which waits."""
        refuse_query(request)
        with self._slurm_limit:
            view = self._retrier.retry(job_id, request.context.deadline)
        response.status = falcon.HTTP_202
        response.data = job_document(view)


class JobListResource:
    """All jobs of the bridge."""

    def __init__(self, lookup: JobLookup) -> None:
        self._lookup = lookup

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """200 with the newest, or those after `cursor`; 304 where the client has them already."""
        query = read_query(JobListQuery, request)
        page = self._lookup.page(query.filter(), query.cursor, query.limit, request.context.deadline)
        tag = page_tag(page)
        response.set_header("ETag", f'W/"{tag}"')
        say_how_recent(response, self._lookup)
        if request.if_none_match and _is_among(tag, request.if_none_match):
            response.status = falcon.HTTP_304
        else:
            response.data = page_document(page)

    on_head = on_get


class JobQueryResource:
    """Many jobs at once."""

    def __init__(self, lookup: JobLookup) -> None:
        self._lookup = lookup

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """200 with an answer for each id, in the order asked: a job, or why there is none."""
        refuse_query(request)
        ids = read_request(JobIdsQuery, read_json_body(request)).ids
        found = self._lookup.find_all(ids, request.context.deadline)
        say_how_recent(response, self._lookup)
        response.data = query_document(
            [(job_id, found[job_id]) for job_id in ids], request.path, request.context.request_id
        )


class JobCancellationResource:
    """Many jobs that are to be cancelled."""

    def __init__(self, canceller: JobCanceller, slurm_limit: ConcurrencyLimit) -> None:
        self._canceller = canceller
        self._slurm_limit = slurm_limit

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """200 with an answer for each id, in the order asked: the job as it stood before, or why it stays."""
        refuse_query(request)
        ids = read_request(JobIdsQuery, read_json_body(request)).ids
        with self._slurm_limit:
            done = self._canceller.cancel_all(ids, request.context.deadline)
        response.data = query_document(
            [(job_id, done[job_id]) for job_id in ids], request.path, request.context.request_id, 202
        )


def _may_be_up_to_date(request: falcon.Request, view: JobView) -> bool:
    """Whether the client has the job as it stands (`If-None-Match`), or does not say what it has."""
    tags = request.if_none_match
    return tags is None or _is_among(entity_tag(view), tags)


def _is_among(tag: str, tags: Sequence[str]) -> bool:
    return tag in tags or "*" in tags


def say_how_recent(response: falcon.Response, lookup: JobLookup) -> None:
    """Headers for an answer from memory: it may be old."""
    response.set_header("Cache-Control", "no-store")
    if not lookup.is_current:
        response.set_header("Warning", '110 - "the Slurm controller does not answer; this is its last word"')
