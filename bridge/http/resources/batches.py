"""`POST /extractor/batch`, `POST /qaqc/batch`: many requests, a Slurm job each."""

import falcon

from bridge.core.concurrency_limit import ConcurrencyLimit
from bridge.http.documents.job_json import batch_document
from bridge.http.documents.request_body import read_json_body, read_request, refuse_query
from bridge.jobs.requests.batches import BatchRequest
from bridge.jobs.requests.fields import RequestRules
from bridge.jobs.requests.idempotency import KEY_HEADER
from bridge.jobs.submission.batches import BatchSubmitter


class BatchResource:
    """Submits batches of one kind."""

    def __init__(
        self, model: type[BatchRequest], rules: RequestRules, submitter: BatchSubmitter, slurm_limit: ConcurrencyLimit
    ) -> None:
        self._model = model
        self._rules = rules
        self._submitter = submitter
        self._slurm_limit = slurm_limit

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """202 with the jobs' ids and addresses, or 200 where all of them were there already."""
        refuse_query(request)
        batch = read_request(self._model, read_json_body(request), self._rules)
        with self._slurm_limit:
            done = self._submitter.submit(
                batch,
                request.context.deadline,
                request_id=request.context.request_id,
                offered_key=request.get_header(KEY_HEADER),
                caller=request.context.caller_name,
            )
        request.context.log = {"kind": done.kind, "jobs": len(done.job_ids), "array_job_ids": done.array_ids}
        response.status = falcon.HTTP_200 if done.is_replay else falcon.HTTP_202
        if done.is_replay:
            response.set_header("Idempotency-Replayed", "true")
        response.media = batch_document(done)
