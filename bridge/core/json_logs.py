"""Structured logs: one JSON object a line on standard error, each with the id of the request it belongs to."""

import atexit
import logging
import sys
import threading
import traceback
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import lru_cache

from pydantic_core import to_json

from bridge.core.log_writer import LogWriter

log = logging.getLogger(__name__)

request_id_var: ContextVar[str | None] = ContextVar("request_id", default=None)

_STANDARD_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """`time` (RFC 3339, UTC), `level`, `logger`, `message`, `request_id`, and whatever `extra=` brought along."""

    def format(self, record: logging.LogRecord) -> str:
        """See the class."""
        entry: dict[str, object] = {
            "time": _rfc3339(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if (request_id := request_id_var.get()) is not None:
            entry["request_id"] = request_id
        entry.update((name, value) for name, value in vars(record).items() if name not in _STANDARD_ATTRIBUTES)
        if record.exc_info:
            entry["traceback"] = "\n".join(map(_frames_and_type, _chain(record.exc_info[1])))
        return to_json(entry, fallback=str).decode()


def _rfc3339(epoch_seconds: float) -> str:
    second, fraction = divmod(epoch_seconds, 1)
    return f"{_rfc3339_second(second)}.{int(1000 * fraction):03}+00:00"


@lru_cache(maxsize=2)
def _rfc3339_second(epoch_second: float) -> str:
    return f"{datetime.fromtimestamp(epoch_second, UTC):%Y-%m-%dT%H:%M:%S}"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and those that it came from."""
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _frames_and_type(error: BaseException) -> str:
    """Where it was raised, and what it is. Its text may hold a value that a client sent, but for the system's own."""
    text = f": {error.strerror}" if isinstance(error, OSError) and error.strerror else ""
    return "".join(traceback.format_tb(error.__traceback__)) + type(error).__qualname__ + text


def configure_logging(*, verbose: bool) -> None:
    """Send all logs of this process to standard error as JSON; `verbose` adds the debug level.

    No log makes a thread wait, whatever becomes of standard error; see `LogWriter`.
    """
    # No line says who logs, nor in which thread and process: "Optimization" in logging's manual.
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    formatter = JsonFormatter()
    writer = LogWriter(sys.stderr.fileno(), lambda count: f"{formatter.format(_drops_record(count))}\n")
    atexit.register(writer.drain)
    handler = logging.StreamHandler(writer)
    handler.setFormatter(formatter)
    threading.excepthook = _log_the_end_of_a_thread
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, handlers=[handler], force=True)


def dropped_lines() -> int:
    """How many lines of this process's log were dropped since its start."""
    streams = [getattr(handler, "stream", None) for handler in logging.getLogger().handlers]
    return sum(stream.dropped_total for stream in streams if isinstance(stream, LogWriter))


def _drops_record(count: int) -> logging.LogRecord:
    fields = {
        "msg": "lines of the log were dropped",
        "levelno": logging.WARNING,
        "levelname": "WARNING",
        "count": count,
    }
    return logging.makeLogRecord({**fields, "name": LogWriter.__module__})


def _log_the_end_of_a_thread(ended: threading.ExceptHookArgs) -> None:
    """Python itself would write to standard error, and wait."""
    if ended.exc_value is not None:
        error = (ended.exc_type, ended.exc_value, ended.exc_traceback)
        log.error("a thread has ended by an error", exc_info=error)
