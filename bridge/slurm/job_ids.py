"""Slurm's job ids as text: `"17"`, or `"20_3"` for an element of an array."""

import re

JOB_ID = re.compile(r"([1-9][0-9]{0,9})(?:_(0|[1-9][0-9]{0,6}))?")  # MaxArraySize ends at 4000001
CURSOR = re.compile(rf"[0-9]{{1,12}}\.{JOB_ID.pattern}")
_TASK_BITS = 24  # more than an index takes
_ID_BITS = 32 + _TASK_BITS
_NUMBER_MAX = 0xFFFFFFFD  # above lie Slurm's own marks for "none" and "all" (NO_VAL, INFINITE)


def is_job_id(text: str) -> bool:
    """Whether Slurm may have given this id to a job. Such a text can be part of a file's name."""
    match = JOB_ID.fullmatch(text)
    return match is not None and int(match[1]) <= _NUMBER_MAX


def array_number(job_id: str) -> int:
    """The id's number; for an element of an array that of the whole array."""
    return int(job_id.partition("_")[0])


def array_indices(text: str) -> list[int]:
    """The indices in Slurm's short form: `"0-2,7,10-20:5"` are 0, 1, 2, 7, 10, 15 and 20."""
    indices: list[int] = []
    for part in text.split(","):
        bounds, _, step = part.partition(":")
        first, _, last = bounds.partition("-")
        indices += range(int(first), int(last or first) + 1, int(step or 1))
    return indices


def job_order(submit_time: int | None, job_id: str) -> int:
    """Jobs compare by it as they were submitted, and the elements of an array by their index.

    By the time, in seconds since the epoch, and then by the id: after MaxJobId ids begin anew.
    """
    array_id, _, task_id = job_id.partition("_")
    return ((submit_time or 0) << _ID_BITS) + (int(array_id) << _TASK_BITS) + int(task_id or -1)


def cursor_after(submit_time: int | None, job_id: str) -> str:
    """Where in a list this job stands, as a text that matches `CURSOR`."""
    return f"{submit_time or 0}.{job_id}"


def order_of_cursor(cursor: str) -> int:
    """`job_order` of the job that a cursor names."""
    submit_time, _, job_id = cursor.partition(".")
    return job_order(int(submit_time), job_id)
