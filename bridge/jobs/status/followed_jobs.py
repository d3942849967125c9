"""The jobs that are the bridge's whatever their comments say: it has submitted them, or seen them with a comment.

The worker that looks at the queue goes on showing what it has shown once. So it is told only of jobs that no look has
shown yet. A worker that has replaced another is told of all: its first look may lack those whose comments are gone.
"""

from msgspec.structs import replace

from bridge.core.deadline import Deadline
from bridge.jobs.requests.metadata import JobMetadata
from bridge.jobs.status.job_view import Job, RunsAgain, own_jobs
from bridge.jobs.status.ledger import SubmissionLedger
from bridge.jobs.status.queue_snapshot import QueueSnapshot
from bridge.slurm.gateway import Gateway
from bridge.slurm.messages import FollowedJob, JobSnapshot, QueueChange


class QueueLoader:
    """Looks at the queue, for one thread at a time."""

    def __init__(self, gateway: Gateway, ledger: SubmissionLedger, runs_again: RunsAgain) -> None:
        self._gateway = gateway
        self._ledger = ledger
        self._runs_again = runs_again
        self._reconsidered: set[str] = set()  # ids of jobs

    def reconsider(self, job_id: str) -> None:
        """Take this job in with the next look as if it had changed: whether it runs again is decided anew."""
        self._reconsidered.add(job_id)

    def load(self, known: QueueSnapshot, deadline: Deadline) -> tuple[QueueChange, list[Job]]:
        """What has changed since `known`, and the bridge's jobs among that. Raises what `Gateway.queue` does."""
        unseen = [FollowedJob(view.id, None) for view in self._ledger.unseen()]
        change = self._gateway.queue(deadline, unseen)
        if change.is_full and (missing := _missing(change, known)):
            change = _together(change, self._gateway.queue(deadline, [*unseen, *missing]))
        jobs = own_jobs(change.jobs, lambda job: _metadata_of(job, known, self._ledger), self._runs_again)
        reconsidered = {self._reconsidered.pop() for _ in range(len(self._reconsidered))}
        if not change.is_full:
            unchanged = reconsidered.difference(change.gone, (job.id for job in jobs))
            jobs += [self._decided_anew(view.job) for job_id in unchanged if (view := known.in_queue(job_id))]
        return change, jobs

    def _decided_anew(self, job: Job) -> Job:
        return Job(job.snapshot, job.metadata, runs_again=self._runs_again(job.snapshot, job.metadata))


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
