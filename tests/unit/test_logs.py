"""What stands in a line of the log."""

import json
import logging
import sys

import pytest

from bridge.logs import JsonFormatter


def logged(error: Exception) -> dict[str, str]:
    """The line for `error`, raised from another and caught."""
    try:
        try:
            raise KeyError("canary")
        except KeyError as cause:
            raise error from cause
    except Exception:
        record = logging.makeLogRecord({"msg": "bug", "levelno": logging.ERROR, "exc_info": sys.exc_info()})
    line = JsonFormatter().format(record)
    assert "canary" not in line.replace('raise KeyError(\\"canary\\")', "")  # the frame's line in this file
    entry: dict[str, str] = json.loads(line)
    return entry


@pytest.mark.parametrize(
    ("error", "last"),
    [
        pytest.param(ValueError("postgresql://user:canary@host"), "ValueError", id="ours"),
        pytest.param(FileNotFoundError(2, "No such file", "/canary"), "FileNotFoundError: No such file", id="systems"),
        pytest.param(OSError("canary"), "OSError", id="without-a-number"),
    ],
)
def test_a_traceback_says_where_and_what_and_no_value(error: Exception, last: str) -> None:
    traceback = logged(error)["traceback"]
    assert "test_logs.py" in traceback
    assert f"\n{last}\n" in traceback
    assert traceback.endswith("\nKeyError")
