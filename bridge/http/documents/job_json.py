"""How a job looks to a client."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from pydantic_core import to_json

from bridge.core.errors import BridgeError
from bridge.http.documents.problems import problem_document
from bridge.http.documents.response_models import (
    BatchDocument,
    BatchJobDocument,
    JobFields,
    JobReference,
    SubmissionDocument,
)
from bridge.jobs.status.explanations import explain_job
from bridge.jobs.status.job_view import Job, JobView
from bridge.jobs.status.lookup import JobPage
from bridge.jobs.submission.attempts import Submission
from bridge.jobs.submission.batches import BatchSubmission
from bridge.slurm.job_ids import whole_id

LOST = "is not known to Slurm any more, and how it ended was not seen"


def job_href(job_id: str) -> str:
    """The address of a job."""
    return f"/jobs/{job_id}"


def submission_document(submission: Submission) -> SubmissionDocument:
    """The answer to a submission; `code`, `err` and `out` are what older clients read."""
    document: SubmissionDocument = {
        "job_id": submission.job_id,
        "state": submission.state,
        "kind": submission.kind,
        "thing_uuid": str(submission.thing_uuid),
        "request_id": submission.metadata.request_id,
        "href": job_href(submission.job_id),
        "code": 0,
        "err": "",
        "out": f"Submitted batch job {submission.job_id}",
    }
    if submission.follow_up_id is not None:
        document["qaqc"] = _reference(submission.follow_up_id)
    return document


def _reference(job_id: str) -> JobReference:
    return {"job_id": job_id, "href": job_href(job_id)}


def batch_document(batch: BatchSubmission) -> BatchDocument:
    """The answer to a batch."""
    return {
        "array_job_ids": batch.array_ids,
        "kind": batch.kind,
        "lane": batch.lane,
        "request_id": batch.request_id,
        "jobs": [
            _batch_job(index, *ids) for index, ids in enumerate(zip(batch.job_ids, batch.follow_up_ids, strict=True))
        ],
        "code": 0,
        "err": "",
        "out": f"Submitted {len(batch.job_ids)} batch jobs",
    }


def _batch_job(index: int, job_id: str, follow_up_id: str | None) -> BatchJobDocument:
    document: BatchJobDocument = {"index": index, "job_id": job_id, "href": job_href(job_id)}
    if follow_up_id is not None:
        document["qaqc"] = _reference(follow_up_id)
    return document


def job_document(view: JobView) -> bytes:
    """A `JobDocument`: times in RFC 3339 and UTC, durations in seconds, `null` for what is not known yet."""
    return _cached_json(view.job, view.is_lost).completed(source=view.origin.encode(), as_of=_as_of(view.seen_at))


def entity_tag(view: JobView) -> str:
    """For a weak `ETag` (RFC 9110) of a job: the same as long as nothing about the job has changed."""
    return _cached_json(view.job, view.is_lost).tag


def page_tag(page: JobPage) -> str:
    """For a weak `ETag` of a list, likewise."""
    content = [page.next_cursor or "", page.missing or "", *map(entity_tag, page.jobs)]
    return hashlib.blake2b("\n".join(content).encode(), digest_size=12).hexdigest()


def page_document(page: JobPage) -> bytes:
    """A `JobListDocument`."""
    rest = to_json({"next_cursor": page.next_cursor, "missing": page.missing})[1:-1]
    jobs = b",".join(map(job_document, page.jobs))
    return b'{"jobs":[%b],%b,"as_of":"%b"}' % (jobs, rest, _as_of(page.looked_at))


def query_document(
    answers: Sequence[tuple[str, JobView | BridgeError]], instance: str, request_id: str, status: int = 200
) -> bytes:
    """A `QueryDocument` of the answers to these ids, a `CancellationsDocument` with `status` 202.

    `instance` and `request_id` are for its problems.
    """
    return b'{"results":[%b]}' % b",".join(_result(*answer, instance, request_id, status) for answer in answers)


def _result(job_id: str, answer: JobView | BridgeError, instance: str, request_id: str, status: int) -> bytes:
    if isinstance(answer, BridgeError):
        problem = problem_document(answer, instance, request_id)
        return to_json({"job_id": job_id, "status": answer.status, "problem": problem})
    return b'%b,"job":%b}' % (to_json({"job_id": job_id, "status": status})[:-1], job_document(answer))


@dataclass(frozen=True, slots=True)
class _CachedJson:
    """A job's JSON without its end, and the tag of this content."""

    beginning: bytes
    tag: str

    def completed(self, *, source: bytes, as_of: bytes) -> bytes:
        """With who says so, and when."""
        return b'%b,"source":"%b","as_of":"%b"}' % (self.beginning, source, as_of)


# A job is asked for far more often than it changes.
@lru_cache(maxsize=4096)
def _cached_json(job: Job, is_lost: bool) -> _CachedJson:
    beginning = to_json(_fields(job, is_lost))[:-1]
    return _CachedJson(beginning, hashlib.blake2b(beginning, digest_size=12).hexdigest())


def _fields(known_job: Job, is_lost: bool) -> JobFields:
    job, metadata = known_job.snapshot, known_job.metadata
    href = job_href(job.job_id)
    finished = known_job.is_finished
    # Slurm gives a waiting job its expected start, a running one its expected end, and one that was cancelled while it
    # waited a start all the same; a job that has started has nodes.
    start_time = None if job.state == "PENDING" or job.nodes is None else job.start_time
    end_time = job.end_time if finished else None
    # Where a node failed, or a job never ran, Slurm gives a 1 that no process ended with.
    has_exit_status = finished and job.nodes is not None and job.state not in {"BOOT_FAIL", "NODE_FAIL"}
    return {
        "job_id": job.job_id,
        "kind": metadata.kind,
        "thing_uuid": str(known_job.thing_uuid),
        "request_id": metadata.request_id,
        "state": job.state,
        "state_reason": job.state_reason,
        "finished": finished,
        "succeeded": job.state == "COMPLETED",
        "exit_code": job.exit_code if has_exit_status and not job.signal else None,
        "signal": (job.signal or None) if has_exit_status else None,
        "submit_time": _rfc3339(job.submit_time),
        "start_time": _rfc3339(start_time),
        "end_time": _rfc3339(end_time),
        # Of a job that is held until another one is submitted, too, the start is the bridge's own mark.
        "expected_start_time": _rfc3339(job.start_time) if known_job.is_pending and not known_job.is_held else None,
        "time_limit_seconds": None if job.time_limit_minutes is None else job.time_limit_minutes * 60,
        "queue_seconds": _seconds(job.submit_time, start_time),
        "run_seconds": _seconds(start_time, end_time, job.suspended_seconds),
        "cpu_seconds": job.cpu_seconds,
        "max_memory_bytes": job.max_memory_bytes,
        "nodes": job.nodes,
        "partition": job.partition,
        "restarts": job.restarts,
        "attempt": known_job.attempt,
        "attempts_max": metadata.attempts,
        "array_job_id": None if known_job.index is None else whole_id(job.job_id),
        "lane": metadata.lane or "live",
        "caller": metadata.by,
        "after_job_ids": known_job.follows,
        "replaced_by_job_id": known_job.replaced_by,
        "explanation": LOST if is_lost else explain_job(known_job),
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


def _seconds(begin: int | None, end: int | None, pause: int = 0) -> int | None:
    return None if begin is None or end is None else max(0, end - begin - pause)
