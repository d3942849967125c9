"""What the controller knows of the bridge's jobs, read in a worker through pyslurm."""

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from bridge.slurm.comments import note_in, own_text
from bridge.slurm.job_ids import array_indices, array_number, whole_id
from bridge.slurm.message_format import Reply
from bridge.slurm.messages import Find, FollowedJob, Found, JobSnapshot, LoadQueue, QueueChange
from bridge.slurm.singletons import is_singleton_name
from bridge.slurm.states import FINISHED_STATES

if TYPE_CHECKING:
    from types import ModuleType

ESLURM_INVALID_JOB_ID = 2017
GAP_SECONDS = 60.0  # between two looks; in a longer one a job can have run and be forgotten


def find(pyslurm: "ModuleType", request: Find) -> Found:
    """Look one job up. Raises `pyslurm.RPCError` where the controller does not answer."""
    job = load(pyslurm, request.job_id)
    return Found(None if job is None else snapshot_of(job))


def load(pyslurm: "ModuleType", number: int) -> Any:
    """One of the service's user's jobs, as pyslurm has it; of an array the part that waits. `None`: there is none."""
    try:
        job = pyslurm.Job.load(number)
    except pyslurm.RPCError as error:
        if error.errno == ESLURM_INVALID_JOB_ID:
            return None
        raise
    return job if job.user_id == os.getuid() else None


def load_ended(pyslurm: "ModuleType", job_ids: Sequence[str]) -> dict[str, Any]:
    """Those of the service's user's jobs with these ids that are there, as pyslurm has them.

    Elements that wait are left out, as they have no record of their own. Costs one look at the queue, where that is
    not for a single job that is no element.
    """
    if len(job_ids) == 1 and "_" not in job_ids[0]:
        job = load(pyslurm, int(job_ids[0]))
        return {} if job is None else {job_ids[0]: job}
    numbers = {array_number(job_id) for job_id in job_ids}
    ours = (job for job in pyslurm.Jobs.load().values() if job.user_id == os.getuid())
    meant = (job for job in ours if (job.array_id or job.id) in numbers and job.array_tasks_waiting is None)
    return {snapshot_of(job).job_id: job for job in meant}


def _snapshots(job: Any) -> list[JobSnapshot]:
    """The job; where it stands for the elements of an array that still wait, one for each of them."""
    snapshot, waiting = snapshot_of(job), job.array_tasks_waiting
    if waiting is None:
        return [snapshot]
    return [replace(snapshot, job_id=f"{job.array_id}_{index}") for index in array_indices(waiting)]


def snapshot_of(job: Any) -> JobSnapshot:
    """How it stands."""
    reason = job.state_reason
    return JobSnapshot(
        # pyslurm has None for an index of 0.
        job_id=str(job.id) if job.array_id is None else f"{job.array_id}_{job.array_task_id or 0}",
        comment=text_of(job),
        state=job.state,
        state_reason=None if reason in (None, "None") else reason,
        exit_code=job.exit_code or 0,
        signal=job.exit_code_signal or 0,
        submit_time=job.submit_time,
        start_time=job.start_time,
        end_time=job.end_time,
        nodes=job.allocated_nodes,
        partition=job.partition,
        restarts=job.requeue_count or 0,
        suspended_seconds=_suspended_seconds(job),
        note=note_in(comment_of(job)) if job.requeue_count else None,
        time_limit_minutes=job.time_limit if isinstance(job.time_limit, int) else None,
        is_singleton=is_singleton_name(job.name or ""),
    )


def _suspended_seconds(job: Any) -> int:
    """Slurm takes the pauses off the time that it says a job has run."""
    if job.suspend_time is None or job.state not in FINISHED_STATES or job.start_time is None or job.end_time is None:
        return 0
    return max(0, int(job.end_time - job.start_time - job.run_time))


class QueueReader:
    """Tells what has changed in the queue since it last looked."""

    def __init__(self, pyslurm: "ModuleType") -> None:
        self._pyslurm = pyslurm
        self._known: dict[str, JobSnapshot] | None = None
        self._known_numbers: set[int] = set()  # of their arrays, or their own
        self._loaded_at_seconds = 0.0

    def load(self, request: LoadQueue) -> Reply:
        """Look at it. Raises `pyslurm.RPCError` where the controller does not answer."""
        followed = {job.job_id: job.submit_time for job in request.followed}
        numbers = self._known_numbers | {array_number(job_id) for job_id in followed}
        ours = (job for job in self._pyslurm.Jobs.load().values() if job.user_id == os.getuid())
        bridges = [job for job in ours if text_of(job) or (job.array_id or job.id) in numbers]
        jobs = {
            snapshot.job_id: snapshot
            for job in bridges
            for snapshot in _snapshots(job)
            if snapshot.comment or self._is_followed(snapshot, followed)
        }
        self._known_numbers = {job.array_id or job.id for job in bridges}
        known = self._known
        if known is not None and time.monotonic() - self._loaded_at_seconds < GAP_SECONDS:
            jobs.update((job.job_id, job) for job in _cancelled_elements(known, jobs))
        jobs.update((job.job_id, job) for job in _cancelled_unseen(request.followed, jobs))
        self._known, self._loaded_at_seconds = jobs, time.monotonic()
        if known is None:
            return QueueChange(is_full=True, jobs=tuple(jobs.values()), gone=())
        changed = tuple(job for job_id, job in jobs.items() if known.get(job_id) != job)
        return QueueChange(is_full=False, jobs=changed, gone=tuple(known.keys() - jobs.keys()))

    def _is_followed(self, job: JobSnapshot, followed: Mapping[str, int | None]) -> bool:
        """Whether a job without a comment of the bridge is one that was shown before, or is followed."""
        shown = (self._known or {}).get(job.job_id)
        submitted = {shown.submit_time} if shown else set()
        if job.job_id in followed:
            submitted.add(followed[job.job_id])
        return bool(submitted & {None, job.submit_time}) or (bool(submitted) and bool(job.restarts))


def _cancelled_elements(known: Mapping[str, JobSnapshot], jobs: Mapping[str, JobSnapshot]) -> list[JobSnapshot]:
    """Elements that were waiting and are not in the queue any more, while others of their array are.

    Slurm keeps no record of an element that is cancelled before it is first considered for a start.
    """
    arrays = {job_id.partition("_")[0] for job_id in jobs if "_" in job_id}
    gone = (known[job_id] for job_id in known.keys() - jobs.keys() if "_" in job_id)
    waiting = (job for job in gone if job.state == "PENDING" and job.job_id.partition("_")[0] in arrays)
    return [replace(job, state="CANCELLED", state_reason=None, end_time=int(time.time())) for job in waiting]


def _cancelled_unseen(followed: Iterable[FollowedJob], jobs: Mapping[str, JobSnapshot]) -> list[JobSnapshot]:
    """The same for elements that were cancelled before any look showed them: the array came with them."""
    new = [job.job_id for job in followed if job.submit_time is None and "_" in job.job_id and job.job_id not in jobs]
    if not new:
        return []
    others = {whole_id(job_id): job for job_id, job in jobs.items() if "_" in job_id}
    never_ran = {"state_reason": None, "start_time": None, "nodes": None, "exit_code": 0, "signal": 0}
    cancelled = {"state": "CANCELLED", "end_time": int(time.time()), **never_ran}
    pairs = ((job_id, others.get(whole_id(job_id))) for job_id in new)
    return [replace(other, job_id=job_id, **cancelled) for job_id, other in pairs if other]


def text_of(job: Any) -> str:
    """What the bridge has written on a job of the queue. In `extra` it stays if a comment is changed."""
    return own_text(job.extra or "") or own_text(comment_of(job))


def comment_of(job: Any) -> str:
    """The comment of one of pyslurm's jobs, or of its accounting records."""
    try:
        return job.comment or ""
    except UnicodeDecodeError:
        return ""  # bytes that are no text: another program's
