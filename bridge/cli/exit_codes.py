"""What an exit status of `tsm-bridge` says. Scripts branch on it: each has one meaning, in every command."""

from enum import IntEnum


class ExitCode(IntEnum):
    """The statuses; `EXIT_STATUSES` says them in words."""

    OK = 0
    FAILED = 1
    USAGE = 2
    REFUSED = 3
    NOT_AUTHENTICATED = 4
    UNREACHABLE = 5
    TIMED_OUT = 6
    NOT_NOW = 75  # EX_TEMPFAIL of sysexits.h
    INTERRUPTED = 130


EXIT_STATUSES = {
    ExitCode.OK: "done; what was waited for has succeeded",
    ExitCode.FAILED: "a job that was waited for has failed; doctor has found a fault",
    ExitCode.USAGE: "wrong use of the command, or bad settings",
    ExitCode.REFUSED: "the bridge refused: no such job, a wrong field, ...",
    ExitCode.NOT_AUTHENTICATED: "the token is missing or bad, or does not allow this",
    ExitCode.UNREACHABLE: "the bridge, or Slurm behind it, does not answer",
    ExitCode.TIMED_OUT: "what was waited for was not over in time",
    ExitCode.NOT_NOW: "the service cannot start now, and may be able to later",
    ExitCode.INTERRUPTED: "Ctrl-C",
}
