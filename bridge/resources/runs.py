"""`POST /extractor/run` and `POST /qaqc/run`: one request, one Slurm job."""

import falcon

from bridge.bodies import read_json_body, refuse_query
from bridge.deadline import Deadline
from bridge.descriptors import JobFactory
from bridge.representations import job_href
from bridge.requests import RequestRules, RunRequest, read_request
from bridge.slurm.gateway import Gateway


class RunResource:
    """Submits the jobs of one kind."""

    def __init__(
        self, model: type[RunRequest], jobs: JobFactory, rules: RequestRules, gateway: Gateway, timeout_seconds: float
    ) -> None:
        self._model = model
        self._jobs = jobs
        self._rules = rules
        self._gateway = gateway
        self._timeout_seconds = timeout_seconds

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """202 with the job's id and address."""
        deadline = Deadline.after(self._timeout_seconds)
        refuse_query(request)
        run = read_request(self._model, read_json_body(request), self._rules)
        request_id: str = request.context.request_id
        job_id = self._gateway.submit(self._jobs.describe(run, request_id), deadline)
        request.context.log = {"kind": run.kind, "thing_uuid": str(run.thing_uuid), "job_id": job_id}
        response.status = falcon.HTTP_202
        response.location = job_href(job_id)
        response.media = {
            "job_id": job_id,
            "state": "PENDING",
            "kind": run.kind,
            "thing_uuid": str(run.thing_uuid),
            "request_id": request_id,
            "href": job_href(job_id),
            "code": 0,
            "err": "",
            "out": f"Submitted batch job {job_id}",
        }
