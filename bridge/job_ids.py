"""What a job id looks like: `"17"`, or `"20_3"` for an element of an array."""

import re

_JOB_ID = re.compile(r"([1-9][0-9]{0,9})(?:_(?:0|[1-9][0-9]{0,6}))?")  # MaxArraySize ends at 4000001
_JOB_ID_MAX = 0xFFFFFFFD  # above lie Slurm's own marks for "none" and "all" (NO_VAL, INFINITE)


def is_job_id(text: str) -> bool:
    """Whether Slurm may have given this id to a job. Such a text can be part of a file's name."""
    match = _JOB_ID.fullmatch(text)
    return match is not None and int(match[1]) <= _JOB_ID_MAX
