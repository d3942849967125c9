"""What stands in a line of the log."""

import json
import logging
import sys
import time
from datetime import datetime
from uuid import UUID

import pytest

from bridge.logs import JsonFormatter, log_fields

CANARY = "canary"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        pytest.param(ValueError(f"postgresql://user:{CANARY}@host"), "ValueError", id="ours"),
        pytest.param(
            FileNotFoundError(2, "No such file", f"/{CANARY}"), "FileNotFoundError: No such file", id="systems"
        ),
        pytest.param(OSError(CANARY), "OSError", id="without-a-number"),
    ],
)
def test_a_traceback_says_where_and_what_and_no_value(error: Exception, said: str) -> None:
    try:
        raise error from KeyError(CANARY)
    except type(error):
        record = logging.makeLogRecord({"msg": "bug", "levelno": logging.ERROR, "exc_info": sys.exc_info()})
    line = JsonFormatter().format(record)
    assert CANARY not in line
    *frames, last, cause = json.loads(line)["traceback"].splitlines()
    assert "test_logs.py" in frames[0]
    assert (last, cause) == (said, "KeyError")


def test_both_ways_to_log_make_the_same_line() -> None:
    lines = []

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(json.loads(JsonFormatter().format(record)))

    log = logging.getLogger("tests.both_ways")
    log.addHandler(Keeper())
    log.setLevel(logging.INFO)
    fields = {"status": 202, "thing_uuid": UUID(int=1), "caller": "ada"}
    before = time.time()
    log.info("request", extra=fields)
    log_fields(log, logging.INFO, "request", fields)
    log.setLevel(logging.WARNING)
    log_fields(log, logging.INFO, "not told", fields)
    times = [datetime.fromisoformat(line.pop("time")).timestamp() for line in lines]
    assert before - 0.001 <= times[0] <= times[1] <= time.time()
    same = {"level": "info", "logger": log.name, "message": "request", **fields, "thing_uuid": str(UUID(int=1))}
    assert lines == [same, same]
