"""`POST /extractor/run`, `POST /extractor/batch` and the like: what a request asks for becomes jobs of Slurm."""

from collections.abc import Callable, Mapping
from typing import Any, Generic, Protocol, TypeVar

import falcon
from pydantic import BaseModel

from bridge.core.concurrency_limit import ConcurrencyLimit
from bridge.core.deadline import Deadline
from bridge.http.documents.request_body import read_json_body, read_request, refuse_query
from bridge.jobs.requests.fields import RequestRules
from bridge.jobs.requests.idempotency import KEY_HEADER

M_contra = TypeVar("M_contra", bound=BaseModel, contravariant=True)


class Submitted(Protocol):
    """What became of a request. `is_replay`: by an earlier one with the same key."""

    @property
    def is_replay(self) -> bool: ...

    @property
    def log_fields(self) -> dict[str, object]: ...


D_co = TypeVar("D_co", bound=Submitted, covariant=True)


class Submitter(Protocol[M_contra, D_co]):
    """Submits what a request of its model asks for, once."""

    def submit(
        self, request: M_contra, deadline: Deadline, /, *, request_id: str, offered_key: str | None, caller: str | None
    ) -> D_co: ...


class SubmissionResource(Generic[M_contra, D_co]):
    """Submits requests of one model. `document` is the answer; where it has a `href`, that is the `Location` too."""

    def __init__(
        self,
        model: type[M_contra],
        rules: RequestRules,
        submitter: Submitter[M_contra, D_co],
        document: Callable[[D_co], Mapping[str, Any]],
        slurm_limit: ConcurrencyLimit,
    ) -> None:
        self._model = model
        self._rules = rules
        self._submitter = submitter
        self._document = document
        self._slurm_limit = slurm_limit

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """202 with what was submitted, or 200 where the request had been sent before."""
        refuse_query(request)
        wanted = read_request(self._model, read_json_body(request), self._rules)
        with self._slurm_limit:
            done = self._submitter.submit(
                wanted,
                request.context.deadline,
                request_id=request.context.request_id,
                offered_key=request.get_header(KEY_HEADER),
                caller=request.context.caller_name,
            )
        request.context.log = done.log_fields
        response.status = falcon.HTTP_200 if done.is_replay else falcon.HTTP_202
        if done.is_replay:
            response.set_header("Idempotency-Replayed", "true")
        document = self._document(done)
        if "href" in document:
            response.location = document["href"]
        response.media = document
