"""On which CPUs the processes run: the web process on one, its workers on all that there are for it.

The GIL lets one thread of the web process run at a time, so that a second CPU is of no use to it. On two, every change
of threads moves the interpreter's data from one's cache to the other's, which takes longer than most answers: 8 clients
that ask for jobs get half as many answers again on one CPU, 64 nearly twice as many.
"""

import os
from contextlib import suppress

_ALL = os.sched_getaffinity(0)  # that this process was started on: systemd's CPUAffinity= and taskset(1) may leave few


def keep_to_one() -> None:
    """Let this thread, and those it starts, run on one CPU, which others may use as well.

    Several bridges on a machine mostly get different ones. Where a sandbox forbids it, all stays as it is.
    """
    cpus = sorted(_ALL)
    _run_on({cpus[os.getpid() % len(cpus)]})


def use_all() -> None:
    """Undo it for this thread, and for the threads and processes that it starts."""
    _run_on(_ALL)


def _run_on(cpus: set[int]) -> None:
    with suppress(OSError):  # forbidden, or these CPUs were taken from us
        os.sched_setaffinity(0, cpus)
