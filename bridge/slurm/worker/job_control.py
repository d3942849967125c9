"""What is done to a job that is there: it is cancelled, let begin, or run again."""

import ctypes
import signal
import time
from typing import TYPE_CHECKING, Any

from bridge.slurm.comments import with_note
from bridge.slurm.errors import ESLURM_DEPENDENCY
from bridge.slurm.job_ids import array_indices, array_number, elements_id
from bridge.slurm.message_format import Reply
from bridge.slurm.messages import (
    Cancel,
    Cancelled,
    JobSnapshot,
    Release,
    Released,
    Requeue,
    Requeued,
    RequeueJobs,
    RequeueOutcome,
)
from bridge.slurm.singletons import joined
from bridge.slurm.states import FINISHED_STATES, is_held_by_requeue
from bridge.slurm.worker.queue import ESLURM_INVALID_JOB_ID, load, load_ended, snapshot_of

if TYPE_CHECKING:
    from types import ModuleType

ESLURM_ALREADY_DONE = 2021
ESLURM_JOB_NOT_PENDING = 2073
ESLURM_TRANSITION_STATE = 2020  # it is about to end
ESLURM_JOB_PENDING = 2024
INFINITE = 0xFFFFFFFF  # as a priority: Slurm's own, which ends a hold
JOB_REQUEUE_HOLD = 1 << 11
_REFUSALS = range(2000, 3000)  # of the controller, for what it was asked (`slurm/slurm_errno.h`)


def cancel(pyslurm: "ModuleType", request: Cancel) -> Reply:
    """Cancel the job if it still is that of `request`. Raises `pyslurm.RPCError` where the controller does not answer.

    Between the two calls lies a millisecond, in which the job may start but no id comes again.
    """
    found = load(pyslurm, array_number(request.job_id))
    if found is None or not _is_as_requested(snapshot_of(found), request):
        return Cancelled(is_taken=False)
    if request.only_waiting and "_" in request.job_id:
        return _kill_waiting(pyslurm, request.job_id, found)
    return _kill(pyslurm, request.job_id)


def _is_as_requested(job: JobSnapshot, request: Cancel) -> bool:
    is_same = job.comment == request.comment or job.submit_time == request.submit_time
    return is_same and (job.state == "PENDING" or not request.only_waiting)


def _kill_waiting(pyslurm: "ModuleType", job_id: str, array: Any) -> Cancelled:
    """Those elements that Slurm has not set apart from their array yet, as it does when one is to start."""
    number, _, text = job_id.partition("_")
    wanted, waiting = array_indices(text.strip("[]")), set(array_indices(array.array_tasks_waiting or ""))
    still_waiting = [index for index in wanted if index in waiting]
    if not still_waiting:
        return Cancelled(is_taken=False)
    is_taken = _kill(pyslurm, elements_id(number, still_waiting)).is_taken
    return Cancelled(is_taken=is_taken and still_waiting == wanted)


def _kill(pyslurm: "ModuleType", job_id: str) -> Cancelled:
    # pyslurm's own `cancel` knows no array elements, and reports success for a job that has ended or is unknown.
    kill_job = ctypes.CDLL(None, use_errno=True).slurm_kill_job2
    if kill_job(job_id.encode(), signal.SIGKILL, 0, None) == 0:
        return Cancelled(is_taken=True)
    code = ctypes.get_errno()
    if code in (ESLURM_INVALID_JOB_ID, ESLURM_ALREADY_DONE):
        return Cancelled(is_taken=False)
    raise pyslurm.RPCError(code)


def requeue(pyslurm: "ModuleType", request: RequeueJobs) -> Reply:
    """Put jobs that have ended back into the queue. Raises `pyslurm.RPCError` where the controller does not answer.

    Between the look at them and the calls lie milliseconds. Another bridge may do the same in these: then the job
    waits, as Slurm lets it begin two minutes later at the earliest, and is left as it is.
    """
    found = load_ended(pyslurm, [job.job_id for job in request.jobs])
    return Requeued(tuple(_requeue_if_ended(pyslurm, job, found.get(job.job_id)) for job in request.jobs))


def _requeue_if_ended(pyslurm: "ModuleType", request: Requeue, job: Any) -> RequeueOutcome:
    if job is None:
        return RequeueOutcome(is_taken=False)
    snapshot = snapshot_of(job)
    dependency = joined(request.dependency, is_singleton=snapshot.is_singleton)
    if not _is_to_run_again(snapshot, request, dependency):
        return RequeueOutcome(is_taken=False)
    code = 0 if job.state == "PENDING" else _requeue(request.job_id, is_held=dependency is not None)
    if code in (ESLURM_INVALID_JOB_ID, ESLURM_JOB_PENDING, ESLURM_TRANSITION_STATE):
        return RequeueOutcome(is_taken=False)
    if code in _REFUSALS:
        return RequeueOutcome(is_taken=False, code=code, message=str(pyslurm.RPCError(code).msg))
    if code:
        raise pyslurm.RPCError(code)
    return _change_waiting(pyslurm, job, request, dependency)


def _change_waiting(pyslurm: "ModuleType", job: Any, request: Requeue, dependency: str | None) -> RequeueOutcome:
    """Change the job, which waits again, as `request` says.

    One whose dependency Slurm refuses stays held; where it has forgotten a job that this one follows, it is cancelled.
    """
    first: dict[str, Any] = {}
    if request.begin_time is not None:
        first["begin_time"] = request.begin_time
    if dependency is not None:
        first.update(dependencies=dependency, priority=INFINITE)
    more: dict[str, Any] = {}
    if request.note is not None:
        more["comment"] = with_note(request.comment, request.note)
    if request.memory_max_mib is not None and job.memory_per_node:
        more["memory_per_node"] = max(job.memory_per_node, min(2 * job.memory_per_node, request.memory_max_mib))
    if request.time_max_minutes is not None and job.time_limit:
        more["time_limit"] = max(job.time_limit, min(2 * job.time_limit, request.time_max_minutes))
    if request.excluded_nodes:
        more["excluded_nodes"] = list(request.excluded_nodes)
    try:
        for changes in filter(None, (first, more)):
            _change(pyslurm, job.id, **changes)
    except pyslurm.RPCError as error:
        stays_held = dependency is not None and error.errno == ESLURM_DEPENDENCY
        if stays_held and job.state != "PENDING":  # else it was held before, maybe by an admin
            _kill(pyslurm, request.job_id)
        return RequeueOutcome(is_taken=not stays_held, code=int(error.errno), message=str(error.msg))
    return RequeueOutcome(is_taken=True)


def _requeue(job_id: str, *, is_held: bool) -> int:
    """Slurm's error number; 0: the job is in the queue again."""
    answers = ctypes.c_void_p()  # one an element; of one element there is one
    slurm = ctypes.CDLL(None, use_errno=True)
    if slurm.slurm_requeue2(job_id.encode(), JOB_REQUEUE_HOLD if is_held else 0, ctypes.byref(answers)) != 0:
        return ctypes.get_errno()
    if not answers.value:
        return 0
    code: int = ctypes.cast(answers, ctypes.POINTER(_ArrayAnswers)).contents.error_code[0]
    slurm.slurm_free_job_array_resp(answers)
    return code


def _is_to_run_again(job: JobSnapshot, request: Requeue, dependency: str | None) -> bool:
    """Whether it has ended, or is held as a worker or the controller ended before it got its dependency."""
    is_same = job.comment == request.comment and job.submit_time == request.submit_time
    may_be_left_held = dependency is not None and is_held_by_requeue(job.state, job.state_reason)
    return is_same and (job.state in FINISHED_STATES or may_be_left_held)


class _ArrayAnswers(ctypes.Structure):
    """`job_array_resp_msg_t` of slurm/slurm.h, as far as it is read here."""

    _fields_ = (
        ("job_array_count", ctypes.c_uint32),
        ("job_array_id", ctypes.POINTER(ctypes.c_char_p)),
        ("error_code", ctypes.POINTER(ctypes.c_uint32)),
    )


def release(pyslurm: "ModuleType", request: Release) -> Reply:
    """Let the job begin. Raises `pyslurm.RPCError` where the controller does not answer."""
    _change(pyslurm, int(request.job_id), begin_time=int(time.time()))
    return Released()


def _change(pyslurm: "ModuleType", number: int, **changes: Any) -> None:
    """Change a job that waits; one that does not is left as it is."""
    try:
        pyslurm.Job(number).modify(pyslurm.JobSubmitDescription(**changes))
    except pyslurm.RPCError as error:
        if error.errno not in (ESLURM_INVALID_JOB_ID, ESLURM_ALREADY_DONE, ESLURM_JOB_NOT_PENDING):
            raise
