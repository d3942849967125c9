"""The jobs that are the bridge's whatever their comments say: it has submitted them, or seen them with a comment."""

from bridge.jobs.requests.metadata import JobMetadata
from bridge.jobs.status.ledger import SubmissionLedger
from bridge.jobs.status.queue_snapshot import QueueSnapshot
from bridge.slurm.messages import FollowedJob, JobSnapshot


def followed_jobs(known: QueueSnapshot, ledger: SubmissionLedger) -> list[FollowedJob]:
    """Those that the next look is to show."""
    seen = (FollowedJob(job.id, job.snapshot.submit_time) for job in known.unfinished())
    return [*(FollowedJob(view.id, None) for view in ledger.unseen()), *seen]


def metadata_of(job: JobSnapshot, known: QueueSnapshot, ledger: SubmissionLedger) -> JobMetadata | None:
    """Of a job whose comment does not tell."""
    if unseen := ledger.find(job.job_id):
        return unseen.job.metadata
    view = known.in_queue(job.job_id)
    return view.job.metadata if view and view.job.is_seen_in(job) else None
