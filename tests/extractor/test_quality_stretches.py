"""A long series that is checked by stretches gets the labels that it gets in one piece."""

from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import insert

from extractor import store
from extractor.quality import reach, stretches
from extractor.storing.site_tables import look_at
from extractor.storing.writer import ensure_datastreams
from tests.extractor import things
from tests.extractor.checked import datastore, labels

WINDOWED: dict[str, dict[str, Any]] = {
    "range": {"function": "flagRange", "kwargs": {"min": -1, "max": 1}},
    "constants": {"function": "flagConstants", "kwargs": {"window": "3h", "thresh": 0.3}},
    "constants-rows": {"function": "flagConstants", "kwargs": {"window": 3, "thresh": 0.3}},
    "jumps": {"function": "flagJumps", "kwargs": {"window": "5h", "thresh": 1, "min_periods": 1}},
    "isolated": {"function": "flagIsolated", "kwargs": {"gap_window": "2h", "group_window": "3h"}},
    "offset": {"function": "flagOffset", "kwargs": {"window": "6h", "thresh": 1, "tolerance": 0.5}},
    "zscore": {"function": "flagZScore", "kwargs": {"window": "9h", "thresh": 1.5}},
    "zscore-rows": {"function": "flagZScore", "kwargs": {"window": 7, "thresh": 1.5}},
    "zscore-modified": {"function": "flagZScore", "kwargs": {"window": "9h", "thresh": 2, "method": "modified"}},
    "scatter": {"function": "flagByScatterLowpass", "kwargs": {"window": "5h", "thresh": 0.6}},
    "generic": {"function": "flagGeneric", "kwargs": {"func": "(abs(x) > 1) & ~isflagged(x)"}},
    "propagate": {"function": "propagateFlags", "kwargs": {"window": "4h"}},
}
VALUES = 240


def numbers(seed: int) -> pd.Series:
    """A wandering series with outliers, plateaus, gaps and times off the hour."""
    random = np.random.default_rng(seed)
    values = np.round(random.normal(size=VALUES) * 0.7 + np.sin(np.arange(VALUES) / 9), 1)
    for start in random.integers(0, VALUES, 8):
        values[start : start + random.integers(2, 9)] = values[start]
    minutes = np.cumsum(random.choice([1, 1, 1, 1, 1, 2, 7], VALUES)) * 60 + random.integers(0, 20, VALUES)
    times = pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(minutes, unit="min")
    return pd.Series(values, index=times)[random.random(VALUES) > 0.05]


def fill(target: str, position: int, series: pd.Series) -> None:
    """Store the numbers at a position of the thing."""
    engine = store.connect(target)
    thing = store.find_thing(engine, UUID(things.UUID_TEXT))
    with engine.begin() as connection:
        stream = ensure_datastreams(connection, thing, [str(position)], look_at(connection))[str(position)]
        rows = [
            {"datastream_id": stream, "result_time": time.to_pydatetime(), "result_type": 0, "result_number": value}
            for time, value in series.items()
        ]
        connection.execute(insert(store.observation), rows)


def checked(target: str, *options: str) -> dict[str, str]:
    """The labels after a check of the period."""
    things.succeeded(things.run_qaqc(target, "--start", "2026-01-02T00:00:00Z", *options))
    return {name: labels(target, str(position)) for position, name in enumerate(WINDOWED)}


@pytest.mark.parametrize("seed", range(3))
def test_stretches_and_one_piece_give_the_same_labels(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    target = f"sqlite:///{tmp_path / 'data.sqlite'}"
    first = {"function": "flagRange", "kwargs": {"max": 1.5}}
    tests = [test | {"position": n} for n, one in enumerate(WINDOWED.values()) for test in (first, one)]
    datastore(target, things.qaqc(*tests, context_window="10h"))
    for position in range(len(WINDOWED)):
        fill(target, position, numbers(100 * seed + position))
    in_one_piece = checked(target)
    monkeypatch.setattr(stretches, "STRETCH_VALUES", 37)
    monkeypatch.setattr(reach, "NEIGHBOURS", 12)
    assert checked(target) == in_one_piece
    assert all("x" in found and "." in found for found in in_one_piece.values())


def test_series_of_one_test_have_their_stretches_at_the_same_times(
    target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of them has ten times as many numbers."""
    monkeypatch.setattr(stretches, "STRETCH_VALUES", 10)
    hours = pd.date_range("2026-01-01", periods=10, freq="h", tz="UTC")
    minutes = pd.date_range("2026-01-01", periods=100, freq="6min", tz="UTC")
    copied = {"function": "flagGeneric", "field": 2, "target": 1, "kwargs": {"func": "isflagged(x)"}}
    datastore(target, things.qaqc(things.flag_range(2, max=44), copied))
    fill(target, 1, pd.Series(0.0, index=hours))
    fill(target, 2, pd.Series(np.arange(100.0), index=minutes))
    things.succeeded(things.run_qaqc(target))
    assert (labels(target, "1"), labels(target, "2")) == ("." * 5 + "x" * 5, "." * 45 + "x" * 55)


def test_a_test_that_needs_all_of_a_long_series_is_told_and_the_others_run(
    target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stretches, "STRETCH_VALUES", 20)
    monkeypatch.setattr(stretches, "WHOLE_MAX_VALUES", 100)
    datastore(target, things.qaqc({"function": "flagUniLOF", "position": 1}, things.flag_range(1, max=2)))
    fill(target, 1, numbers(0))
    count = len(numbers(0))
    log = things.succeeded(things.run_qaqc(target))
    assert f"{count} are more than the 100 that fit in memory: give a shorter period" in log.splitlines()[-1]
    assert things.observations(target)["result_quality"][0]["properties"] == {"notRun": ["flagUniLOF"]}
    log = things.succeeded(things.run_qaqc(target, "--end", "2026-01-04T00:00:00Z"))
    assert "could not run" not in log
    assert things.observations(target)["result_quality"][0].keys() == {"annotation", "annotationType"}
