"""From two POSTs to what a dashboard of time.IO draws: real Slurm, real extractor, PostgreSQL with time.IO's tables."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from math import sin
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from tests.support import time_io_datastore
from tests.support.bridge_process import ROOT, Bridge, running_bridge, service_environment
from tests.support.private_slurm import PrivateSlurm
from tests.support.samples import THING, of_each_kind
from tests.support.static_http import StaticHttp, serving
from tests.support.time_io_datastore import Datastore

PROJECT = "2f8f5a3e-6d0f-4b1c-9a53-0c9a4f2a7b61"
START = datetime(2026, 1, 1, tzinfo=UTC)
HOURS = 240
SPIKES = (30, 100, 200)
STUCK = range(120, 132)
APART = (60, 140)

PARSER = {
    "type": "csv",
    "settings": {
        "header": 0,
        "skiprows": 1,
        "timestamp_columns": [{"column": 0, "format": "%d.%m.%Y"}, {"column": 1, "format": "%H:%M"}],
        "timezone": "Etc/GMT-1",
        "delimiter": ";",
        "decimal": ",",
    },
}
QAQC = {
    "version": 3,
    "default": True,
    "name": "strict",
    "project_uuid": PROJECT,
    "context_window": "12h",
    "functions": [
        {
            "name": "limits",
            "func_id": "flagRange",
            "kwargs": {"min": -20, "max": 40, "label": "out of range"},
            "datastreams": [{"arg_name": "field", "alias": "T1S1", "sta_thing_id": 1, "sta_stream_id": 1}],
        },
        {
            "name": "stuck",
            "func_id": "flagConstants",
            "kwargs": {"window": "6H", "thresh": 0.0},
            "datastreams": [{"arg_name": "field", "position": "air"}],
        },
        {
            "name": "apart",
            "func_id": "flagGeneric",
            "kwargs": {"function": "abs(x - y) > 5"},
            "datastreams": [
                {"arg_name": "field", "position": "air"},
                {"arg_name": "field", "position": "soil"},
                {"arg_name": "target", "position": "soil"},
            ],
        },
    ],
}

# What a dashboard draws as a fault: the last of several labels counts, and `annotation` is compared as a text.
DRAWN = """
WITH labelled AS (
  SELECT result_time, CASE jsonb_typeof(result_quality) WHEN 'array' THEN result_quality -> -1 ELSE result_quality END
    AS label
  FROM project.observation o JOIN project.datastream d ON d.id = o.datastream_id JOIN project.thing t
    ON t.id = d.thing_id
  WHERE t.uuid = %s AND d.position = %s)
SELECT result_time, (label ->> 'annotation')::decimal, label -> 'properties' ->> 'measure',
  label -> 'properties' ->> 'userLabel'
FROM labelled WHERE label ->> 'annotation' NOT IN ('0.0', '-inf') ORDER BY result_time
"""
# And as later dashboards read it.
MEASURED = """
SELECT count(*) FROM project.observation
WHERE result_quality -> 'resultQuality' -> 'primaryQualityMeasurement' ->> 'value' NOT IN ('0.0', '-inf')
"""


@pytest.fixture(scope="module")
def bridge(slurm: PrivateSlurm, shared_folder: Path) -> Iterator[Bridge]:
    command = ["/opt/extractor/bin/python", str(ROOT / "extractor" / "main.py")]
    environment = service_environment(slurm, shared_folder, command, **of_each_kind("memory_mib", "1024"))
    with running_bridge(shared_folder, environment) as bridge:
        yield bridge


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StaticHttp]:
    folder = tmp_path_factory.mktemp("served")
    (folder / "logger.csv").write_text("\n".join(["Logger 17", "date;time;air;soil", *map(_row, range(HOURS))]))
    with serving(folder) as served:
        yield served


def _row(hour: int) -> str:
    local = START + timedelta(hours=hour + 1)
    air = 99.0 if hour in SPIKES else 7.5 if hour in STUCK else 10 + 3 * sin(hour / 4)
    soil = 30.0 if hour in APART else 10 + sin(hour / 4)
    return f"{local:%d.%m.%Y;%H:%M};{_with_comma(air)};{_with_comma(soil)}"


def _with_comma(value: float) -> str:
    return f"{value:.3f}".replace(".", ",")


@pytest.fixture(scope="module")
def database() -> Iterator[Datastore]:
    with time_io_datastore.running({"parsers": [PARSER], "QAQC": [QAQC]}) as database:
        yield database


def completed(bridge: Bridge, shared_folder: Path, path: str, **body: str) -> str:
    """Submit, wait, and return the last line that the job logged."""
    answer = bridge.post(path, {"thing_uuid": THING, **body})
    assert answer.status == 202, answer.body
    job = bridge.wait_until_finished(answer.body["job_id"], seconds=180)
    said = (shared_folder / "output" / f"{job['kind']}-{job['job_id']}.err").read_text()
    assert job["state"] == "COMPLETED", said
    return said.splitlines()[-1]


def drawn(connection: psycopg.Connection[TupleRow], position: str) -> dict[int, tuple[Any, ...]]:
    """Hour -> what the dashboard draws there."""
    rows = connection.execute(DRAWN, [THING, position]).fetchall()
    return {round((time - START) / timedelta(hours=1)): tuple(shown) for time, *shown in rows}


def test_a_dashboard_draws_the_planted_faults_of_the_period(
    bridge: Bridge, source: StaticHttp, database: Datastore, shared_folder: Path
) -> None:
    target, connection = database
    line = completed(
        bridge, shared_folder, "/extractor/run", parser="csv", target=target, source=source.url("logger.csv")
    )
    assert "480 observations stored" in line
    assert drawn(connection, "air") == drawn(connection, "soil") == {}

    period = {
        "start_date": "2026-01-03T00:00:00Z",
        "end_date": "2026-01-08T00:00:00Z",
        "project_uuid": PROJECT,
        "qc_settings_name": "strict",
    }
    line = completed(bridge, shared_folder, "/qaqc/run", target=target, **period)
    assert "242 observations labelled, 15 of them flagged" in line
    spike = (255, "flagRange", "out of range")
    stuck = dict.fromkeys(STUCK, (255, "flagConstants", "stuck"))
    assert drawn(connection, "air") == {100: spike} | stuck
    assert drawn(connection, "soil") == dict.fromkeys(APART, (255, "flagGeneric", "apart"))

    completed(bridge, shared_folder, "/qaqc/run", target=target)
    assert drawn(connection, "air") == dict.fromkeys(SPIKES, spike) | stuck
    assert connection.execute(MEASURED).fetchall() == [(len(SPIKES) + len(STUCK) + len(APART),)]
