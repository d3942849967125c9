"""Exit codes and signals as Slurm has them.

pyslurm 25.11 takes 128 off every exit code from 128 on: 139 comes out as 11, and 128 as 0, which means success.
"""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

_NO_VAL = 0xFFFFFFFE  # of slurm/slurm.h: not known


def keep_exit_codes(pyslurm: "ModuleType") -> None:
    """Let pyslurm give exit codes unchanged; to be removed with the first pyslurm that does so by itself."""
    for module in (pyslurm.core.job.job, pyslurm.db.job, pyslurm.db.step):
        module._get_exit_code = exit_code_and_signal


def exit_code_and_signal(wait_status: int) -> tuple[int, int]:
    """Both numbers of a status as wait(2) gives it; the one that does not apply is 0."""
    if wait_status == _NO_VAL:
        return 0, 0
    if os.WIFSIGNALED(wait_status):
        return 0, os.WTERMSIG(wait_status)
    return os.WEXITSTATUS(wait_status), 0
