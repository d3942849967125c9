"""Log records: one line each on stderr, one JSON object each for MQTT, both free of secrets."""

import json
import logging
import time
from datetime import UTC, datetime
from typing import Any

from extractor.redaction import Redactor

logger = logging.getLogger("extractor")

PROGRESS_INTERVAL_SECONDS = 10.0

_STANDARD_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def _time_of(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, tz=UTC).isoformat(timespec="milliseconds")


def extra_of(record: logging.LogRecord) -> dict[str, Any]:
    """What the caller gave in `extra=`."""
    return {key: value for key, value in vars(record).items() if key not in _STANDARD_ATTRIBUTES}


class LineFormatter(logging.Formatter):
    """`<time> <LEVEL> <message>`; a traceback only where `tracebacks` asks for it."""

    def __init__(self, redactor: Redactor, *, tracebacks: bool) -> None:
        super().__init__()
        self._redactor = redactor
        self._tracebacks = tracebacks

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        message = record.getMessage()
        text = f"{_time_of(record)} {record.levelname} {message}"
        if record.exc_info and self._tracebacks:
            text = f"{text}\n{self.formatException(record.exc_info)}"
        return self._redactor.clean(text)


class JsonFormatter(logging.Formatter):
    """`{"timestamp", "level", "message", "extra"}`, as TSM's log consumers read it."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        """The record as a JSON object."""
        extra = {key: self._redactor.clean(str(value)) for key, value in extra_of(record).items()}
        return json.dumps(
            {
                "timestamp": _time_of(record),
                "level": record.levelname,
                "message": self._redactor.clean(record.getMessage()),
                "extra": extra,
            }
        )


def configure(redactor: Redactor, *, verbose: bool) -> None:
    """Send the extractor's records to stderr: from DEBUG on, with tracebacks, where `verbose`; else from INFO on."""
    handler = logging.StreamHandler()
    handler.setFormatter(LineFormatter(redactor, tracebacks=verbose))
    logger.handlers[:] = [handler]
    logger.propagate = False
    logger.setLevel(logging.DEBUG if verbose else logging.INFO)


class Progress:
    """Says now and then how far long work has come; short work stays silent."""

    def __init__(self, what: str) -> None:
        """`what` takes the count: `"%s bytes received"`."""
        self._what = what
        self._next = time.monotonic() + PROGRESS_INTERVAL_SECONDS

    def reached(self, count: int) -> None:
        """Log `count` if the last line is long enough ago."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + PROGRESS_INTERVAL_SECONDS
            logger.info(self._what, f"{count:,}")
