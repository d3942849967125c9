"""`POST /extractor/run` and `POST /qaqc/run`: one request, one Slurm job."""

from typing import ClassVar

import falcon

from bridge.auth.callers import Scope
from bridge.auth.guard import caller_name
from bridge.bodies import read_json_body, refuse_query
from bridge.comments import JobComment
from bridge.deadline import Deadline
from bridge.descriptors import JobFactory
from bridge.identity import KEY_HEADER, submission_key
from bridge.parts import Parts
from bridge.representations import job_href, submission_document
from bridge.requests import RequestRules, RunRequest, read_request


class RunResource:
    """Submits the jobs of one kind."""

    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.SUBMIT}

    def __init__(
        self,
        model: type[RunRequest],
        jobs: JobFactory,
        rules: RequestRules,
        parts: Parts,
        timeout_seconds: float,
    ) -> None:
        self._model = model
        self._jobs = jobs
        self._rules = rules
        self._digests = parts.digests
        self._submissions = parts.submissions
        self._admission = parts.admission
        self._timeout_seconds = timeout_seconds

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """202 with the job's id and address, or 200 where the request had been sent before."""
        deadline = Deadline.after(self._timeout_seconds)
        refuse_query(request)
        run = read_request(self._model, read_json_body(request), self._rules)
        offered_key = request.get_header(KEY_HEADER)
        comment = JobComment(
            run.kind,
            run.thing_uuid,
            request.context.request_id,
            submission_key(offered_key),
            self._digests.of(run),
            caller_name(request),
        )
        job = self._jobs.describe(run, comment)
        with self._admission:
            done = self._submissions.submit(job, comment, deadline, is_repeatable=offered_key is not None)
        request.context.log = {"kind": run.kind, "thing_uuid": run.thing_uuid, "job_id": done.job_id}
        response.status = falcon.HTTP_200 if done.is_replay else falcon.HTTP_202
        if done.is_replay:
            response.set_header("Idempotency-Replayed", "true")
        response.location = job_href(done.job_id)
        response.media = submission_document(done, comment)
