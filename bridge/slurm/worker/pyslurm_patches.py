"""What is changed in pyslurm, beyond its public interface. Each name is checked at the start of a worker.

`_get_exit_code`: takes 128 off exit codes from 128 on, so that 139 becomes 11, and 128 becomes 0, which means success.
    Remove when pyslurm gives exit codes unchanged.
`pyenviron`: each `SLURM_*` in it is copied into every job's environment.
    Remove when pyslurm leaves an environment as it is given.
`_validate_batch_script`: looks for a file whose name the script may be, at each submission.
    Remove when pyslurm takes a script's text as one.
`JobFilter._parse_state`: gives no states, and asked for none slurmdbd leaves out jobs that were cancelled before they
    could have started: those whose dependency failed.
    Remove when pyslurm's filter takes states.

Written for pyslurm 25.11.
"""

import os
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import ModuleType

_EXIT_CODE_MODULES = ("core.job.job", "db.job", "db.step")
_SUBMISSION = "core.job.submission"
_NAMES = (
    *(f"{module}._get_exit_code" for module in _EXIT_CODE_MODULES),
    f"{_SUBMISSION}.pyenviron",
    f"{_SUBMISSION}._validate_batch_script",
    "db.JobFilter._parse_state",
)
# JOB_COMPLETE to JOB_OOM of `slurm/slurm.h`: every state in which a job stays.
_ENDED_STATE_NUMBERS = range(3, 12)
_NO_VAL = 0xFFFFFFFE  # of slurm/slurm.h: not known


class UnfitPyslurmError(Exception):
    """This pyslurm is not what the bridge was written for; the message says what to do."""


def patch(pyslurm: "ModuleType") -> None:
    """Change what has to be. Raises `UnfitPyslurmError` where a name is not there any more."""
    if missing := [name for name in _NAMES if not _has(pyslurm, name)]:
        raise UnfitPyslurmError(
            f"pyslurm {pyslurm.__version__} has no {', '.join(missing)}: install one of the releases that setup.cfg "
            "names, or a bridge that knows this one"
        )
    for module in _EXIT_CODE_MODULES:
        attrgetter(module)(pyslurm)._get_exit_code = exit_code_and_signal
    submission = attrgetter(_SUBMISSION)(pyslurm)
    submission.pyenviron = {}
    submission._validate_batch_script = lru_cache(submission._validate_batch_script)


def _has(pyslurm: "ModuleType", name: str) -> bool:
    try:
        attrgetter(name)(pyslurm)
    except AttributeError:
        return False
    return True


def exit_code_and_signal(wait_status: int) -> tuple[int, int]:
    """Both numbers of a status as wait(2) gives it; the one that does not apply is 0."""
    if wait_status == _NO_VAL:
        return 0, 0
    if os.WIFSIGNALED(wait_status):
        return 0, os.WTERMSIG(wait_status)
    return os.WEXITSTATUS(wait_status), 0


def ended_jobs(pyslurm: "ModuleType", **conditions: Any) -> Any:
    """A `pyslurm.db.JobFilter` for jobs that have ended."""

    class EndedJobs(pyslurm.db.JobFilter):  # type: ignore[misc, name-defined]  # loaded when this runs
        def _parse_state(self) -> list[str]:
            return [str(number) for number in _ENDED_STATE_NUMBERS]

    return EndedJobs(**conditions)
