"""The jobs that are the bridge's whatever their comments say: it has submitted them, or seen them with a comment.

The worker that looks at the queue goes on showing what it has shown once. So it is told only of jobs that no look has
shown yet. A worker that has replaced another is told of all: its first look may lack those whose comments are gone.
"""

from msgspec.structs import replace

from bridge.core.deadline import Deadline
from bridge.jobs.requests.metadata import JobMetadata
from bridge.jobs.status.job_view import Job, own_jobs
from bridge.jobs.status.ledger import SubmissionLedger
from bridge.jobs.status.queue_snapshot import QueueSnapshot
from bridge.slurm.gateway import Gateway
from bridge.slurm.messages import FollowedJob, JobSnapshot, QueueChange


def load_queue(
    gateway: Gateway, known: QueueSnapshot, ledger: SubmissionLedger, deadline: Deadline
) -> tuple[QueueChange, list[Job]]:
    """What has changed since `known`, and the bridge's jobs among that. Raises what `Gateway.queue` does."""
    unseen = [FollowedJob(view.id, None) for view in ledger.unseen()]
    change = gateway.queue(deadline, unseen)
    if change.is_full and (missing := _missing(change, known)):
        change = _together(change, gateway.queue(deadline, [*unseen, *missing]))
    return change, own_jobs(change.jobs, lambda job: _metadata_of(job, known, ledger))


def _missing(change: QueueChange, known: QueueSnapshot) -> list[FollowedJob]:
    """The jobs that have not ended, as far as is known, and that a worker's first look does not show."""
    shown = {job.job_id for job in change.jobs}
    unfinished = (job for job in known.unfinished() if job.id not in shown)
    return [FollowedJob(job.id, job.snapshot.submit_time) for job in unfinished]


def _together(first: QueueChange, second: QueueChange) -> QueueChange:
    """Two looks of one worker, or the second alone where that was another one's first."""
    if second.is_full:
        return second
    jobs = {job.job_id: job for job in (*first.jobs, *second.jobs)}
    return replace(first, jobs=tuple(job for job_id, job in jobs.items() if job_id not in second.gone))


def _metadata_of(job: JobSnapshot, known: QueueSnapshot, ledger: SubmissionLedger) -> JobMetadata | None:
    """Of a job whose comment does not tell."""
    if unseen := ledger.find(job.job_id):
        return unseen.job.metadata
    view = known.in_queue(job.job_id)
    return view.job.metadata if view and view.job.is_seen_in(job) else None
