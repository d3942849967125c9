"""How a job looks to a client."""

import hashlib
from datetime import UTC, datetime
from functools import lru_cache

from pydantic_core import to_json

from bridge.comments import JobComment
from bridge.documents import JobFields, SubmissionDocument
from bridge.explanations import FINISHED_STATES, explain
from bridge.inquiries import Page
from bridge.slurm.picture import BoardJob, Sighting
from bridge.submissions import Submission

LOST = "is not known to Slurm any more, and how it ended was not seen"


def job_href(job_id: str) -> str:
    """The address of a job."""
    return f"/jobs/{job_id}"


def submission_document(submission: Submission, comment: JobComment) -> SubmissionDocument:
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


def job_document(sighting: Sighting) -> bytes:
    """A `JobDocument`: times in RFC 3339 and UTC, durations in seconds, `null` for what is not known yet."""
    content, _ = _content(sighting.job, sighting.is_lost)
    return b'%b,"source":"%b","as_of":"%b"}' % (content, sighting.source.encode(), _as_of(sighting.seen_at))


def entity_tag(sighting: Sighting) -> str:
    """For a weak `ETag` (RFC 9110) of a job: the same as long as nothing about the job has changed."""
    return _content(sighting.job, sighting.is_lost)[1]


def page_document(page: Page, looked_at: float) -> bytes:
    """A `JobListDocument`; `looked_at` is when the queue stood like this, in seconds since the epoch."""
    rest = to_json({"next_cursor": page.next_cursor, "missing": page.missing})[1:-1]
    return b'{"jobs":[%b],%b,"as_of":"%b"}' % (b",".join(map(job_document, page.jobs)), rest, _as_of(looked_at))


# A job is asked for far more often than it changes.
@lru_cache(maxsize=4096)
def _content(boarded: BoardJob, is_lost: bool) -> tuple[bytes, str]:
    """The job's JSON without its end, and the tag of this content."""
    content = to_json(_fields(boarded, is_lost))[:-1]
    return content, hashlib.blake2b(content, digest_size=12).hexdigest()


def _fields(boarded: BoardJob, is_lost: bool) -> JobFields:
    job, comment = boarded.snapshot, boarded.comment
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
        "explanation": LOST if is_lost else explain(job),
        "href": href,
        "stdout_href": f"{href}/stdout",
        "stderr_href": f"{href}/stderr",
    }


@lru_cache(maxsize=64)  # of all jobs in the queue it is the same
def _as_of(epoch_seconds: float) -> bytes:
    moment = datetime.fromtimestamp(epoch_seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z").encode()


def _rfc3339(epoch_seconds: int | None) -> str | None:
    return None if epoch_seconds is None else f"{datetime.fromtimestamp(epoch_seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _seconds(begin: int | None, end: int | None) -> int | None:
    return None if begin is None or end is None else max(0, end - begin)
