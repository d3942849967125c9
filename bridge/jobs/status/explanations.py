"""Slurm's words for how a job stands, in plain sentences.

Sources: the job state codes of Slurm's manual, and `job_states` and its flags in `slurm/slurm.h`.
"""

import signal as signals
from collections.abc import Sequence
from datetime import UTC, datetime

from bridge.jobs.status.job_view import Job
from bridge.jobs.status.state_reasons import explain_trouble, explain_waiting
from bridge.slurm.messages import JobSnapshot

_STATES = {
    "BOOT_FAIL": "failed because its node did not boot",
    "COMPLETED": "finished normally",
    "COMPLETING": "is ending: Slurm cleans up on its node",
    "CONFIGURING": "waits for its node to become ready",
    "DEADLINE": "was ended at its deadline",
    "EXPEDITING": "has ended; Slurm looks whether it is to run again at once",
    "LAUNCH_FAILED": "could not be started on its node",
    "NODE_FAIL": "failed because its node went down",
    "OUT_OF_MEMORY": "was ended for using more memory than it may",
    "POWER_UP_NODE": "waits for its node to be switched on",
    "PREEMPTED": "was ended in favour of a job of higher priority",
    "RECONFIG_FAIL": "could not start: its node could not be set up for it",
    "REQUEUED": "was put back into the queue and will run again",
    "REQUEUE_FED": "is being put back into the queue by the federation and will run again",
    "REQUEUE_HOLD": "was put back into the queue and is held there until it is released",
    "RESIZING": "runs; its allocation is being resized",
    "RESV_DEL_HOLD": "is held: its reservation was deleted; an administrator has to release it",
    "REVOKED": "was taken over by another cluster of the federation",
    "RUNNING": "is running",
    "SIGNALING": "is running and being sent a signal",
    "SPECIAL_EXIT": "was put back into the queue and is held there for its special exit code",
    "STAGE_OUT": "has ended; its burst buffer is being written out",
    "STOPPED": "was stopped by a signal and keeps its node",
    "SUSPENDED": "was suspended by an administrator or by a job of higher priority",
    "TIMEOUT": "was ended at its time limit",
}

STATES = frozenset({"CANCELLED", "FAILED", "PENDING", *_STATES})  # Slurm's words

# slurmd reports a job that it could not start with this instead of a real signal (SIG_... of slurm/slurm.h do not reach
# users, and no program sends itself a real-time signal of this number).
_NOT_STARTED_SIGNAL = 53

# Reasons that say more of a job that ran than how its process ended does. Others may be left from when it waited.
_SLURMS_DOING = {"InactiveLimit", "JobLaunchFailure", "OutOfMemory", "SystemFailure", "TimeLimit"}

_SIGNAL_EXIT_CODES = range(129, 193)  # a shell's, for a command that was ended by a signal: 128 and its number
_TEMPORARY_FAILURE = 75  # EX_TEMPFAIL of sysexits.h; the reference extractor's for a source that does not answer
_SHELL_EXIT_CODES = {126: "a command that cannot be executed", 127: "a command that is not found"}


def explain_job(job: Job) -> str:
    """The same as `explain`, with what the bridge knows of its own jobs."""
    said, attempts = _explain_own(job), job.metadata.attempts
    if job.runs_again:
        return f"{said}; runs again: {_attempt(job.attempt + 1, attempts)}"
    if attempts is None or job.attempt == 1:
        return said
    attempt, note = _attempt(job.attempt, attempts), job.snapshot.note
    return f"{said}; {note if note and note.startswith(f'{attempt}:') else attempt}"


def _attempt(number: int, attempts: int | None) -> str:
    return f"attempt {number} of {attempts}" if attempts and number <= attempts else f"attempt {number}"


def _explain_own(job: Job) -> str:
    if job.is_held:
        return "waits until the job that is to follow it is submitted, too"
    if job.is_left_held:
        return "is held: it was put back into the queue; run it again to let it begin, or release it"
    if job.replaced_by is not None:
        return f"was not run: job {job.replaced_by} came instead, which does the same after later parses, too"
    if job.follows and job.snapshot.nodes is None:
        firsts = _firsts_in_words(job.follows)
        match job.state, job.snapshot.state_reason:
            case "PENDING", "BeginTime" if job.metadata.until and not job.snapshot.restarts:
                until = datetime.fromtimestamp(job.metadata.until, UTC)
                return f"waits for more parses of its thing, until {until:%H:%M:%S} UTC"
            case "PENDING", ("Dependency" | None):
                return f"waits for {firsts}"
            case (("PENDING" | "CANCELLED"), "DependencyNeverSatisfied"):
                return f"was not run, since {firsts} did not succeed"
    return explain(job.snapshot)


def _firsts_in_words(job_ids: Sequence[str]) -> str:
    if len(job_ids) <= 2:
        return f"parse job{'s' if job_ids[1:] else ''} {' and '.join(job_ids)}"
    return f"{len(job_ids)} parse jobs, the last of which is {job_ids[-1]}"


def explain(job: JobSnapshot) -> str:
    """One plain sentence: why the job waits, what it does, or why it ended as it did."""
    match job.state:
        case "PENDING":
            return _explain_pending(job)
        case "CANCELLED":
            return _explain_cancellation(job)
        case "DEADLINE" if job.nodes is None:
            return "never ran: it could not have ended before its deadline"
        case "FAILED":
            return _explain_failure(job)
    return _STATES.get(job.state, f"is in Slurm's state {job.state}")


def _explain_pending(job: JobSnapshot) -> str:
    if job.state_reason is None:
        return "waits for its turn to be scheduled"
    if job.state_reason == "BeginTime" and job.restarts:
        return "was put back into the queue and runs again after a pause, of two minutes by Slurm's default"
    if job.restarts and explain_trouble(job.state_reason):  # that of its last run, until Slurm looks at the job again
        return _STATES["REQUEUED"]
    return explain_waiting(job.state_reason) or f"waits; Slurm's reason is {job.state_reason}"


def _explain_cancellation(job: JobSnapshot) -> str:
    by_whom = "" if job.cancelled_by is None else f", by {job.cancelled_by}"
    if job.nodes is not None:
        return f"was cancelled while it ran{by_whom}"
    why = ": the job it depends on did not end as it had to" if job.state_reason == "DependencyNeverSatisfied" else ""
    return f"was cancelled while it waited{by_whom}{why}"


def _explain_failure(job: JobSnapshot) -> str:
    reason = "JobLaunchFailure" if job.signal == _NOT_STARTED_SIGNAL else job.state_reason
    if job.nodes is not None and reason not in _SLURMS_DOING:
        if job.signal == signals.SIGKILL:
            return f"was ended by {_signal_in_words(job.signal)}, most often for using too much memory"
        if job.signal:
            return f"was ended by {_signal_in_words(job.signal)}"
        if job.exit_code:
            return f"failed with {_exit_code_in_words(job.exit_code)}: its standard error says why"
    if reason is None:
        return "failed; Slurm gives no reason"
    trouble = explain_trouble(reason)
    return f"failed: {trouble}" if trouble else f"failed; Slurm's reason is {reason}"


def _exit_code_in_words(code: int) -> str:
    if code in _SIGNAL_EXIT_CODES:
        return f"exit code {code}, which a shell gives for {_signal_in_words(code - 128)}"
    if code == _TEMPORARY_FAILURE:
        return f"exit code {code}, which says that it may succeed if it runs again"
    if code in _SHELL_EXIT_CODES:
        return f"exit code {code}, which a shell gives for {_SHELL_EXIT_CODES[code]}"
    return f"exit code {code}"


def _signal_in_words(number: int) -> str:
    try:
        name = signals.Signals(number).name
    except ValueError:
        return f"signal {number}"
    return f"signal {number}, {name} ({signals.strsignal(number)})"
