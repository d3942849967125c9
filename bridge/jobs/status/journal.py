"""Lines in the log about jobs that did not end well: what the journal of a bridge is read for."""

import logging
from collections.abc import Sequence

from bridge.jobs.status.explanations import explain_job
from bridge.jobs.status.job_changes import JobChange
from bridge.jobs.status.job_view import Job

log = logging.getLogger(__name__)


def tell_of_bad_ends(changes: Sequence[JobChange]) -> None:
    """An observer of the queue cache. A job that was cancelled is told of at the level of requests."""
    for change in changes:
        if change.is_unseen_end and change.before is not None:
            _tell(logging.WARNING, "a job left the queue, and how it ended was not seen", change.before)
        elif change.is_end and change.after is not None and change.after.state != "COMPLETED":
            level = logging.INFO if change.after.state == "CANCELLED" else logging.WARNING
            _tell(level, "a job did not end well", change.after)


def _tell(level: int, message: str, job: Job) -> None:
    fields = {
        "job_id": job.id,
        "kind": job.kind,
        "thing_uuid": job.thing_uuid,
        "state": job.state,
        "explanation": explain_job(job),
        "request_id": job.metadata.request_id,  # of the job; a look may be taken by the thread of another request
    }
    log.log(level, message, extra=fields)
