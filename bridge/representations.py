"""How a job looks to a client."""

import hashlib
from datetime import UTC, datetime
from typing import Any

from pydantic_core import to_json

from bridge.comments import JobComment
from bridge.explanations import FINISHED_STATES, explain
from bridge.inquiries import Page
from bridge.slurm.picture import Sighting, Source
from bridge.submissions import Submission

LOST = "is not known to Slurm any more, and how it ended was not seen"


def job_href(job_id: str) -> str:
    """The address of a job."""
    return f"/jobs/{job_id}"


def submission_document(submission: Submission, comment: JobComment) -> dict[str, Any]:
    """The answer to a submission; `code`, `err` and `out` are what older clients read."""
    return {
        "job_id": submission.job_id,
        "state": submission.state,
        "kind": comment.kind,
        "thing_uuid": str(comment.thing_uuid),
        "request_id": submission.request_id,
        "href": job_href(submission.job_id),
        "code": 0,
        "err": "",
        "out": f"Submitted batch job {submission.job_id}",
    }


def job_document(sighting: Sighting) -> dict[str, Any]:
    """The job as JSON: times in RFC 3339 and UTC, durations in seconds, `null` for what is not known yet."""
    job, comment = sighting.job.snapshot, sighting.job.comment
    href = job_href(job.job_id)
    finished = job.state in FINISHED_STATES
    # Slurm gives a waiting job its expected start, a running one its expected end, and one that was cancelled while it
    # waited a start all the same; a job that has started has nodes.
    start_time = None if job.state == "PENDING" or job.nodes is None else job.start_time
    end_time = job.end_time if finished else None
    # Where a node failed, or a job never ran, Slurm gives a 1 that no process ended with.
    has_exit_status = finished and job.nodes is not None and job.state not in {"BOOT_FAIL", "NODE_FAIL"}
    return {
        "job_id": job.job_id,
        "kind": comment.kind,
        "thing_uuid": str(comment.thing_uuid),
        "request_id": comment.request_id,
        "state": job.state,
        "state_reason": job.state_reason,
        "finished": finished,
        "succeeded": job.state == "COMPLETED",
        "exit_code": job.exit_code if has_exit_status and not job.signal else None,
        "signal": (job.signal or None) if has_exit_status else None,
        "submit_time": _rfc3339(job.submit_time),
        "start_time": _rfc3339(start_time),
        "end_time": _rfc3339(end_time),
        "queue_seconds": _seconds(job.submit_time, start_time),
        "run_seconds": _seconds(start_time, end_time),
        "nodes": job.nodes,
        "partition": job.partition,
        "restarts": job.restarts,
        "explanation": explain(job) if finished or sighting.source != Source.MEMORY else LOST,
        "source": sighting.source,
        "as_of": rfc3339_milliseconds(sighting.seen_at),
        "href": href,
        "stdout_href": f"{href}/stdout",
        "stderr_href": f"{href}/stderr",
    }


def page_document(page: Page, looked_at: float) -> dict[str, Any]:
    """A page of a list; `looked_at` is when the queue stood like this, in seconds since the epoch."""
    return {
        "jobs": [job_document(job) for job in page.jobs],
        "next_cursor": page.next_cursor,
        "missing": page.missing,
        "as_of": rfc3339_milliseconds(looked_at),
    }


def entity_tag(document: dict[str, Any]) -> str:
    """For a weak `ETag` (RFC 9110) of a job: the same as long as nothing about the job has changed."""
    content = {**document, "as_of": None, "source": None}
    return hashlib.blake2b(to_json(content), digest_size=12).hexdigest()


def rfc3339_milliseconds(epoch_seconds: float) -> str:
    """The moment in UTC."""
    moment = datetime.fromtimestamp(epoch_seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _rfc3339(epoch_seconds: int | None) -> str | None:
    return None if epoch_seconds is None else f"{datetime.fromtimestamp(epoch_seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _seconds(begin: int | None, end: int | None) -> int | None:
    return None if begin is None or end is None else max(0, end - begin)
