"""`GET /jobs/{id}`: how one job stands."""

import re
from datetime import UTC, datetime

import falcon

from bridge.admission import Admission
from bridge.bodies import refuse_query
from bridge.comments import JobComment
from bridge.deadline import Deadline
from bridge.errors import NotFoundError
from bridge.representations import job_document
from bridge.slurm.gateway import Gateway

_JOB_ID = re.compile(r"[1-9][0-9]{0,9}")
_JOB_ID_MAX = 0xFFFFFFFD  # above lie Slurm's own marks for "none" and "all" (NO_VAL, INFINITE)


class JobResource:
    """One job of the bridge; anybody else's is not found."""

    def __init__(self, gateway: Gateway, admission: Admission, timeout_seconds: float) -> None:
        self._gateway = gateway
        self._admission = admission
        self._timeout_seconds = timeout_seconds

    def on_get(self, request: falcon.Request, response: falcon.Response, job_id: str) -> None:
        """200 with the job."""
        refuse_query(request)
        deadline = Deadline.after(self._timeout_seconds)
        job = None
        if _JOB_ID.fullmatch(job_id) and int(job_id) <= _JOB_ID_MAX:
            with self._admission:
                job = self._gateway.find(job_id, deadline)
        comment = JobComment.from_json(job.comment) if job else None
        if job is None or comment is None:
            raise NotFoundError("Slurm knows no job of this service with this id, or has forgotten it (MinJobAge).")
        response.media = job_document(job, comment, as_of=datetime.now(UTC))
        response.set_header("Cache-Control", "no-store")

    on_head = on_get
