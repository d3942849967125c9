"""Slurm's words for how a job stands, in plain sentences.

Sources: the job state codes and job reason codes of Slurm's manual, and `job_state_reason` of `slurm/slurm.h`.
"""

import signal as signals

from bridge.slurm.messages import JobSnapshot

# The states a job does not leave any more.
FINISHED_STATES = frozenset(
    {
        "BOOT_FAIL",
        "CANCELLED",
        "COMPLETED",
        "DEADLINE",
        "FAILED",
        "NODE_FAIL",
        "OUT_OF_MEMORY",
        "PREEMPTED",
        "REVOKED",
        "TIMEOUT",
    }
)

_STATES = {
    "BOOT_FAIL": "failed because its node did not boot",
    "COMPLETED": "finished normally",
    "COMPLETING": "is ending: Slurm cleans up on its node",
    "CONFIGURING": "waits for its node to become ready",
    "DEADLINE": "was ended at its deadline",
    "NODE_FAIL": "failed because its node went down",
    "OUT_OF_MEMORY": "was ended for using more memory than it may",
    "PREEMPTED": "was ended in favour of a job of higher priority",
    "REQUEUED": "was put back into the queue and will run again",
    "REQUEUE_HOLD": "was put back into the queue and is held there; an administrator has to release it",
    "RESIZING": "runs; its allocation is being resized",
    "REVOKED": "was taken over by another cluster of the federation",
    "RUNNING": "is running",
    "SIGNALING": "is running and being sent a signal",
    "SPECIAL_EXIT": "was put back into the queue and is held there for its special exit code",
    "STAGE_OUT": "has ended; its burst buffer is being written out",
    "STOPPED": "was stopped by a signal and keeps its node",
    "SUSPENDED": "was suspended by an administrator or by a job of higher priority",
    "TIMEOUT": "was ended at its time limit",
}

_PENDING_REASONS = {
    "AccountNotAllowed": "waits: its account may not use this partition",
    "AssocGrpJobsLimit": "waits: its account runs as many jobs as it may",
    "AssocMaxJobsLimit": "waits: its user and account run as many jobs as they may",
    "BeginTime": "waits for its earliest start time",
    "Cleaning": "waits until Slurm has cleaned up after its last run",
    "Dependency": "waits for the job that it depends on",
    "DependencyNeverSatisfied": "can never run: the job it depends on did not end as it had to",
    "InvalidAccount": "waits: its account is not valid",
    "InvalidQOS": "waits: its QOS is not valid",
    "JobHeldAdmin": "is held by an administrator, who has to release it",
    "JobHeldUser": "is held by its user, who has to release it",
    "Licenses": "waits for a licence",
    "NodeDown": "waits: a node it needs is down",
    "PartitionConfig": "waits: it asks for more than its partition has",
    "PartitionDown": "waits: its partition is down",
    "PartitionInactive": "waits: its partition is inactive",
    "PartitionNodeLimit": "waits: it asks for more nodes than its partition allows, or they are down",
    "PartitionTimeLimit": "waits: its time limit is above its partition's",
    "Priority": "waits for jobs of higher priority to start first",
    "QOSMaxJobsPerUserLimit": "waits: its user runs as many jobs as the QOS allows",
    "ReqNodeNotAvail": "waits: a node that it needs is not available",
    "Reservation": "waits for its reservation to begin",
    "Resources": "waits for free nodes, CPUs or memory",
    "SchedDefer": "waits for its turn to be scheduled",
}

# slurmd reports a job that it could not start with this instead of a real signal (SIG_... of slurm/slurm.h do not reach
# users, and no program sends itself a real-time signal of this number).
_NOT_STARTED_SIGNAL = 53


def explain(job: JobSnapshot) -> str:
    """One plain sentence: why the job waits, what it does, or why it ended as it did."""
    if job.state == "PENDING":
        return _explain_pending(job.state_reason)
    if job.state == "CANCELLED":
        return "was cancelled while it waited" if job.nodes is None else "was cancelled while it ran"
    if job.state == "FAILED":
        return _explain_failure(job)
    return _STATES.get(job.state, f"is in Slurm's state {job.state}")


def _explain_pending(reason: str | None) -> str:
    if reason is None:
        return "waits for its turn to be scheduled"
    known = _PENDING_REASONS.get(reason.split(",")[0].strip("()"))
    return known or f"waits; Slurm's reason is {reason}"


def _explain_failure(job: JobSnapshot) -> str:
    if job.signal == _NOT_STARTED_SIGNAL or job.state_reason == "JobLaunchFailure":
        return "could not be started on its node: check that output_folder is there and belongs to the service's user"
    if job.signal:
        return f"was ended by signal {job.signal} ({signals.strsignal(job.signal) or 'unknown'})"
    return f"failed with exit code {job.exit_code}: its standard error says why"
