"""Slurm's words for the states of a job. Source: the job state codes of Slurm's manual."""

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

REQUEUED_AND_HELD = "job requeued in held state"  # slurmctld's words, in place of a reason


def is_held_by_requeue(state: str, state_reason: str | None) -> bool:
    """Whether a job was put back into the queue, and is not let begin yet."""
    return state == "PENDING" and state_reason == REQUEUED_AND_HELD
