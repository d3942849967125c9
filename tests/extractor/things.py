"""A thing, its settings, and the command line run on it."""

import io
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock
from uuid import UUID

import pandas as pd
from sqlalchemy import select

from extractor import cli, store

ROOT = Path(__file__).resolve().parents[2]
MAIN = ROOT / "extractor" / "main.py"
UUID_TEXT = "ce2b4fb6-d9de-11eb-a236-125e5a40a845"

CSV = {"delimiter": ",", "header": 1, "timestamp_column": 0, "timestamp_format": "%Y-%m-%d %H:%M:%S"}


def csv_parser(**changes: Any) -> dict[str, Any]:
    """`thing.properties` with settings for CsvParser; a change to None takes a key away."""
    settings = {key: value for key, value in (CSV | changes).items() if value is not None}
    return {"parsers": [{"type": "CsvParser", "settings": settings}]}


def qaqc(*tests: dict[str, Any], context_window: int | str = 3) -> dict[str, Any]:
    """`thing.properties` with QAQC settings."""
    config = {"type": "SaQC", "name": "usual", "context_window": context_window, "tests": list(tests)}
    return {"QAQC": {"default": 0, "configs": [config]}}


def flag_range(position: int = 1, **limits: float) -> dict[str, Any]:
    return {"position": position, "function": "flagRange", "kwargs": limits}


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it wrote."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


def add(target: str, properties: dict[str, Any] | None) -> None:
    """Make the thing in a datastore."""
    engine = store.connect(target)
    store.create_tables(engine)
    store.add_thing(engine, UUID(UUID_TEXT), "station", properties)


def observations(target: str) -> pd.DataFrame:
    """All that the datastore holds, in the order of datastream and time."""
    query = (
        select(
            store.datastream.c.name,
            store.datastream.c.position,
            store.observation.c.result_time,
            store.observation.c.result_type,
            store.observation.c.result_number,
            store.observation.c.result_string,
            store.observation.c.result_boolean,
            store.observation.c.result_quality,
            store.observation.c.parameters,
        )
        .join_from(store.observation, store.datastream)
        .order_by(store.datastream.c.position, store.observation.c.result_time)
    )
    with store.connect(target).connect() as connection:
        return pd.DataFrame(connection.execute(query).mappings().all())


def command(*arguments: str, **environment: str) -> Done:
    """Run the extractor's command line in this process, which spares seconds of imports each time."""
    stdout, stderr = io.StringIO(), io.StringIO()
    with mock.patch.dict(os.environ, environment), redirect_stdout(stdout), redirect_stderr(stderr):
        code = cli.main(arguments)
    return Done(code, stdout.getvalue(), stderr.getvalue())


def job(*arguments: str) -> Done:
    """Run the extractor as a job does: a process of its own, with hardly any environment."""
    done = subprocess.run(
        [sys.executable, str(MAIN), *arguments],
        env={"PATH": os.environ["PATH"]},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def parse(target: str, source: str, *more: str, run: Run = command, **environment: str) -> Done:
    """`parse` of `source` for the thing."""
    mqtt = () if "-m" in more else ("-m", "None")
    return run("parse", "-p", "CsvParser", "-t", target, "-s", source, "-d", UUID_TEXT, *mqtt, *more, **environment)


def run_qaqc(target: str, *more: str, run: Run = command) -> Done:
    """`run-qaqc` for the thing."""
    mqtt = () if "-m" in more else ("-m", "None")
    return run("run-qaqc", "-t", target, "-d", UUID_TEXT, *mqtt, *more)


def succeeded(done: Done) -> str:
    """What it logged."""
    assert done.returncode == 0, done.stderr
    return done.stderr


def failed(done: Done, code: int) -> str:
    """The one line that says why."""
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr.strip().splitlines()[-1]
