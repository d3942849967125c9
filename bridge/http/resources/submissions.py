"""`POST /extractor/run`, `POST /qaqc/run`: one request, one Slurm job."""

import falcon

from bridge.core.concurrency_limit import ConcurrencyLimit
from bridge.http.documents.job_json import job_href, submission_document
from bridge.http.documents.request_body import read_json_body, read_request, refuse_query
from bridge.jobs.requests.fields import RequestRules
from bridge.jobs.requests.idempotency import KEY_HEADER
from bridge.jobs.requests.kinds import JobRequest
from bridge.jobs.submission.submitter import JobSubmitter


class SubmissionResource:
    """Submits the jobs of one kind."""

    def __init__(
        self, model: type[JobRequest], rules: RequestRules, submitter: JobSubmitter, slurm_limit: ConcurrencyLimit
    ) -> None:
        self._model = model
        self._rules = rules
        self._submitter = submitter
        self._slurm_limit = slurm_limit

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """202 with the job's id and address, or 200 where the request had been sent before."""
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
        request.context.log = {"kind": done.kind, "thing_uuid": done.thing_uuid, "job_id": done.job_id}
        response.status = falcon.HTTP_200 if done.is_replay else falcon.HTTP_202
        if done.is_replay:
            response.set_header("Idempotency-Replayed", "true")
        response.location = job_href(done.job_id)
        response.media = submission_document(done)
