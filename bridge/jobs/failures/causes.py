"""For which cause a job ended badly, in one word: jobs with the same are mended together."""

import re

from bridge.slurm.messages import JobSnapshot

CAUSE = re.compile(
    r"(?:exit_code|signal)_[1-9][0-9]{0,2}|time_limit|out_of_memory|node_failure|launch_failure|preemption|deadline"
    r"|cancelled|dependency|other"
)

_BY_STATE = {
    "BOOT_FAIL": "node_failure",
    "DEADLINE": "deadline",
    "LAUNCH_FAILED": "launch_failure",
    "NODE_FAIL": "node_failure",
    "OUT_OF_MEMORY": "out_of_memory",
    "PREEMPTED": "preemption",
    "RECONFIG_FAIL": "launch_failure",
    "TIMEOUT": "time_limit",
}
# Reasons that say more of a job that failed than how its process ended.
_BY_REASON = {
    "JobLaunchFailure": "launch_failure",
    "NodeDown": "node_failure",
    "OutOfMemory": "out_of_memory",
    "TimeLimit": "time_limit",
}
_NOT_STARTED_SIGNAL = 53  # by which slurmd tells of a job that it could not start


def cause_of(job: JobSnapshot) -> str | None:
    """The cause, a `CAUSE`; `None`: the job has not ended, or has ended well."""
    match job.state:
        case "CANCELLED":
            return "dependency" if job.state_reason == "DependencyNeverSatisfied" else "cancelled"
        case "FAILED":
            return _cause_of_failure(job)
    return _BY_STATE.get(job.state)


def _cause_of_failure(job: JobSnapshot) -> str:
    if job.signal == _NOT_STARTED_SIGNAL:
        return "launch_failure"
    if cause := _BY_REASON.get(job.state_reason or ""):
        return cause
    if job.nodes is not None and job.signal:
        return f"signal_{job.signal}"
    if job.nodes is not None and job.exit_code:
        return f"exit_code_{job.exit_code}"
    return "other"


_IN_WORDS = {
    "launch_failure": "{nodes} could not start it",
    "node_failure": "node {nodes} failed",
    "out_of_memory": "it used more memory than it had",
    "preemption": "another job took its place on {nodes}",
    "time_limit": "it reached its time limit",
}


def in_words(cause: str, nodes: str | None) -> str:
    """The cause of a bad end on these nodes, in some words: `exit code 75 on n1`."""
    pattern = _IN_WORDS.get(cause, cause.replace("_", " ") + " on {nodes}")
    return pattern.format(nodes=nodes or "no node")
