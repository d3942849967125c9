"""Slurm's job ids as text: `"17"`, or `"20_3"` for an element of an array."""

import re
from collections.abc import Iterable

JOB_NUMBER = re.compile(r"[1-9][0-9]{0,9}")
JOB_ID = re.compile(rf"({JOB_NUMBER.pattern})(?:_(0|[1-9][0-9]{{0,6}}))?")  # MaxArraySize ends at 4000001
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


def index_of(job_id: str) -> int | None:
    """The index of an element of an array; `None` for any other job."""
    _, _, index = job_id.partition("_")
    return int(index) if index else None


def whole_id(job_id: str) -> str:
    """The id of the array that an element belongs to; any other job's own."""
    return job_id.partition("_")[0]


def ids_of(job_id: str, indices: Iterable[int] | None) -> list[str]:
    """The ids of the elements of an array with these indices; that of a job that is none (`None`)."""
    return [job_id] if indices is None else [f"{job_id}_{index}" for index in indices]


def elements_id(job_id: str, indices: Iterable[int] | None) -> str:
    """Several elements of an array in one text, as Slurm takes it: `"20_[0-2,7]"`; `None`: it is no array."""
    return job_id if indices is None else f"{job_id}_[{indices_text(indices)}]"


def indices_text(indices: Iterable[int]) -> str:
    """Slurm's short form of indices in rising order: 0, 1, 2 and 7 are `"0-2,7"`."""
    runs: list[list[int]] = []
    for index in indices:
        if runs and index == runs[-1][1] + 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def array_indices(text: str) -> list[int]:
    """The indices in Slurm's short form: `"0-2,7,10-20:5"` are 0, 1, 2, 7, 10, 15 and 20."""
    indices: list[int] = []
    for part in filter(None, text.split(",")):
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
