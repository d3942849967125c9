"""What a process asks of the kernel and of CPython for itself: CPUs, core dumps, open files, memory, threads."""

import ctypes
import gc
import os
import resource
import sys
from contextlib import suppress

_PR_SET_DUMPABLE = 4  # linux/prctl.h
_ALL_CPUS = os.sched_getaffinity(0)  # of the start: systemd's CPUAffinity= and taskset(1) may leave few
# The thread that takes in a long queue may run for so long while threads that answer requests wait for the GIL. With
# CPython's own 5 ms the p99 of submissions beside waiting clients is longer.
_SWITCH_SECONDS = 0.0005


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


def keep_to_one_cpu() -> int | None:
    """Let this thread, and the threads that it starts, run on one CPU; others may use that CPU as well.

    The GIL lets one thread of the web process run at a time, so a second CPU is of no use to it. On two, every change
    of threads moves the interpreter's data from one CPU's cache to the other's, which takes longer than most answers:
    one CPU gives 48 to 77 % more status reads with 8 and 64 clients (`bench/ablation.py`).
    Several bridges on a machine mostly get different CPUs. Returns the CPU, or `None` where a sandbox forbids it.
    """
    cpus = sorted(_ALL_CPUS)
    cpu = cpus[os.getpid() % len(cpus)]
    return cpu if _run_on({cpu}) else None


def use_all_cpus() -> None:
    """Undo `keep_to_one_cpu` for this thread, and for the threads and processes that it starts."""
    _run_on(_ALL_CPUS)


def _run_on(cpus: set[int]) -> bool:
    with suppress(OSError):  # forbidden, or these CPUs were taken from us
        os.sched_setaffinity(0, cpus)
        return True
    return False


def allow_open_files(count: int) -> int | None:
    """Let this process open `count` files. Shells and systemd start programs with 1024, and may allow more.

    Returns the hard limit where that is lower than `count`: then nothing was changed.
    """
    try:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    except PermissionError:  # a sandbox (systemd's @resources) may forbid to ask; its maker has set the limit
        return None
    if hard != resource.RLIM_INFINITY and hard < count:
        return hard
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
    return None


def shorten_thread_turns() -> None:
    """Let threads that wait for the GIL get it after half a millisecond."""
    sys.setswitchinterval(_SWITCH_SECONDS)


def keep_what_there_is() -> None:
    """Take all present objects out of garbage collection: what a process has loaded by now it keeps."""
    gc.freeze()
