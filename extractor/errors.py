"""The errors that the command line turns into one clear line, and which of them may be gone when it is run again."""

import re

from sqlalchemy.exc import DBAPIError

WRONG, PASSING = 1, 75  # exit codes; the second is EX_TEMPFAIL of sysexits.h

# SQLSTATEs (PostgreSQL's manual, appendix A): connections, transactions that were in each other's way, resources, a
# lock, and a server that starts or stops.
_PASSING_STATES = re.compile(r"08...|40001|40P01|53...|55P03|57P0[1-3]")
# What a server says that takes no connection for now. Any other of its refusals (a password, a name) stays.
_PASSING_REFUSALS = ("starting up", "shutting down", "too many clients", "connection slots", "recovery mode")


class ExtractorError(Exception):
    """Something the caller can put right; its text is one line that says what. The command ends with exit code 1."""


class PassingError(ExtractorError):
    """Something that may be well by itself when the same is run again. The command ends with exit code 75."""


def exit_code_of(error: Exception) -> int:
    """`PASSING` where running the same again may help: a source or a datastore that does not answer. Else `WRONG`."""
    is_passing = isinstance(error, PassingError) or (isinstance(error, DBAPIError) and _is_passing(error))
    return PASSING if is_passing else WRONG


def _is_passing(error: DBAPIError) -> bool:
    cause = error.orig
    if state := getattr(cause, "sqlstate", None):
        return _PASSING_STATES.fullmatch(state) is not None
    text = str(cause)
    if type(cause).__module__ == "sqlite3":
        return "database is locked" in text
    if type(cause).__name__ != "OperationalError":
        return False
    is_refusal = "FATAL:" in text
    return not is_refusal or any(words in text for words in _PASSING_REFUSALS)
