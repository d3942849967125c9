"""What stands in a line of the log."""

import json
import logging
import sys

import pytest

from bridge.core.json_logs import JsonFormatter

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
    assert "test_json_logs.py" in frames[0]
    assert (last, cause) == (said, "KeyError")
