"""No image of a process that holds secrets ever reaches a disk."""

import ctypes
import os
import resource

_PR_SET_DUMPABLE = 4  # linux/prctl.h


def forbid_core_dumps() -> None:
    """Let this process leave no core, wherever the system puts them.

    The limit, which child processes inherit, is for files; a program to which the kernel pipes cores (core(5)) ignores
    it, but gets none of a process that may not be dumped. Such a process's memory and environment are also closed to
    other processes of the same user (PR_SET_DUMPABLE in prctl(2)); each process has to ask for that itself.
    Raises `OSError` where the kernel refuses.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
