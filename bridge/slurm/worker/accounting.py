"""What slurmdbd knows of the bridge's jobs, read in a worker through pyslurm's `db`.

It gets a job's comment with its end, so these are jobs that have ended. Of several records with one id (a job that
started again, ids that began anew) slurmdbd tells the newest.
"""

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from bridge.slurm.comments import own_text
from bridge.slurm.message_format import Reply
from bridge.slurm.messages import FindPast, Found, JobSnapshot, LoadPast, Past
from bridge.slurm.worker.pyslurm_patches import ended_jobs
from bridge.slurm.worker.queue import comment_of

if TYPE_CHECKING:
    from types import ModuleType

NO_NODES = "None assigned"


def find_past(pyslurm: "ModuleType", request: FindPast) -> Reply:
    """Look one job up. Raises `pyslurm.RPCError` where slurmdbd does not answer."""
    number = request.job_id.partition("_")[0]  # asked for an array, slurmdbd tells of all its elements
    records = pyslurm.db.Jobs.load(pyslurm.db.JobFilter(ids=[int(number)])).values()
    return Found(next((job for job in _snapshots(records) if job.job_id == request.job_id), None))


def load_past(pyslurm: "ModuleType", request: LoadPast) -> Reply:
    """Look up the jobs that ended in a window of time. Raises `pyslurm.RPCError` where slurmdbd does not answer."""
    since = max(1, request.since)  # 0 would be libslurm's "since now"
    window = ended_jobs(pyslurm, users=[os.getuid()], start_time=since, end_time=request.until)
    return Past(tuple(_snapshots(pyslurm.db.Jobs.load(window).values())))


def _snapshots(records: Iterable[Any]) -> Iterator[JobSnapshot]:
    for record in records:
        # The user too: pyslurm takes a filter for uid 0 as none.
        if record.user_id == os.getuid() and own_text(comment_of(record)):
            for job_id in _job_ids(record):
                yield _snapshot(job_id, record)


def _job_ids(record: Any) -> Iterator[str]:
    """The ids of the jobs that a record stands for: several where elements of an array ended before they started."""
    if record.array_id is None:
        yield str(record.id)
    elif record.array_tasks_waiting is None:
        yield f"{record.array_id}_{record.array_task_id or 0}"  # pyslurm takes index 0 for none
    else:
        indices = int(record.array_tasks_waiting, base=16)  # a bit for each
        for index in range(indices.bit_length()):
            if indices >> index & 1:
                yield f"{record.array_id}_{index}"


def _snapshot(job_id: str, record: Any) -> JobSnapshot:
    # A job that is cancelled or over its time ends for accounting before its script does. That has its own record.
    batch = record.steps.get("batch")
    script = batch or record
    return JobSnapshot(
        job_id=job_id,
        comment=own_text(comment_of(record)),
        state=record.state,
        state_reason=None,  # accounting keeps why a job waited, not why it ended
        exit_code=script.exit_code,
        signal=script.exit_code_signal,
        submit_time=record.submit_time,
        start_time=record.start_time,
        end_time=record.end_time,
        nodes=None if record.nodelist == NO_NODES else record.nodelist,
        partition=record.partition,
        restarts=record.requeue_count,
        suspended_seconds=record.suspended_time or 0,
        cancelled_by=record.cancelled_by if record.state == "CANCELLED" else None,
        # 0 stands for what was not measured: no gathering of it is set up, or the job was over before it was looked at.
        cpu_seconds=batch and (batch.stats.total_cpu_time or None),
        max_memory_bytes=batch and (batch.stats.max_resident_memory or None),
    )
