"""`/jobs`: how jobs stand, and their cancellation."""

from typing import ClassVar

import falcon
from pydantic_core import to_json

from bridge.auth.callers import Scope
from bridge.bodies import read_json_body, refuse_query
from bridge.deadline import Deadline
from bridge.errors import BridgeError
from bridge.explanations import FINISHED_STATES
from bridge.parts import Parts
from bridge.problems import problem_document
from bridge.questions import IdsQuestion, JobQuestion, ListQuestion, read_query
from bridge.representations import entity_tag, job_document, page_document
from bridge.requests import read_request
from bridge.slurm.board import Board
from bridge.slurm.picture import Sighting

BUSY_RETRY_SECONDS = "1"  # for those who were not let wait


class JobResource:
    """One job of the bridge; anybody else's is not found."""

    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.READ, "DELETE": Scope.CANCEL}

    def __init__(self, parts: Parts, timeout_seconds: float) -> None:
        self._board = parts.board
        self._inquiries = parts.inquiries
        self._cancellations = parts.cancellations
        self._admission = parts.admission
        self._timeout_seconds = timeout_seconds

    def on_get(self, request: falcon.Request, response: falcon.Response, job_id: str) -> None:
        """200 with the job, 304 where the client has it already; held back for `wait` seconds until it changes."""
        question = read_query(JobQuestion, request)
        job = self._find(job_id)
        state = job.job.snapshot.state
        may_change = state not in FINISHED_STATES and not job.is_lost
        if question.wait and may_change and _may_be_up_to_date(request, job):
            if not self._board.wait_for_change(job_id, state, Deadline.after(question.wait)):
                response.set_header("Retry-After", BUSY_RETRY_SECONDS)
            job = self._find(job_id)
        response.set_header("ETag", f'W/"{entity_tag(job)}"')
        _say_how_fresh(response, self._board)
        if request.if_none_match and _may_be_up_to_date(request, job):
            response.status = falcon.HTTP_304
        else:
            response.data = job_document(job)

    on_head = on_get

    def on_delete(self, request: falcon.Request, response: falcon.Response, job_id: str) -> None:
        """202 with the job as it stood before: it ends soon."""
        refuse_query(request)
        with self._admission:
            job = self._cancellations.cancel(job_id, Deadline.after(self._timeout_seconds))
        response.status = falcon.HTTP_202
        response.data = job_document(job)

    def _find(self, job_id: str) -> Sighting:
        return self._inquiries.find(job_id, Deadline.after(self._timeout_seconds))


class JobListResource:
    """All jobs of the bridge."""

    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.READ}

    def __init__(self, parts: Parts, timeout_seconds: float) -> None:
        self._board = parts.board
        self._inquiries = parts.inquiries
        self._timeout_seconds = timeout_seconds

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """200 with the newest, or those after `cursor`."""
        question = read_query(ListQuestion, request)
        deadline = Deadline.after(self._timeout_seconds)
        page = self._inquiries.page(question.filter(), question.cursor, question.limit, deadline)
        _say_how_fresh(response, self._board)
        response.data = page_document(page, self._board.looked_at)

    on_head = on_get


class JobQueryResource:
    """Many jobs at once."""

    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.READ}

    def __init__(self, parts: Parts, timeout_seconds: float) -> None:
        self._board = parts.board
        self._inquiries = parts.inquiries
        self._timeout_seconds = timeout_seconds

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """200 with an answer for each id, in the order asked: a job, or why there is none."""
        refuse_query(request)
        ids = read_request(IdsQuestion, read_json_body(request)).ids
        found = self._inquiries.find_all(ids, Deadline.after(self._timeout_seconds))
        results = [_result(job_id, found[job_id], request) for job_id in ids]
        _say_how_fresh(response, self._board)
        response.data = b'{"results":[%b]}' % b",".join(results)


def _result(job_id: str, answer: Sighting | BridgeError, request: falcon.Request) -> bytes:
    if isinstance(answer, BridgeError):
        problem = problem_document(answer, request.path, request.context.request_id)
        return to_json({"job_id": job_id, "status": answer.status, "problem": problem})
    return b'%b,"job":%b}' % (to_json({"job_id": job_id, "status": 200})[:-1], job_document(answer))


def _may_be_up_to_date(request: falcon.Request, job: Sighting) -> bool:
    """Whether the client has the job as it stands (`If-None-Match`), or does not say what it has."""
    tags = request.if_none_match
    return tags is None or any(tag in ("*", entity_tag(job)) for tag in tags)


def _say_how_fresh(response: falcon.Response, board: Board) -> None:
    response.set_header("Cache-Control", "no-store")
    if not board.is_current:
        response.set_header("Warning", '110 - "the Slurm controller does not answer; this is its last word"')
