"""Tests of several series and things, expressions, and tests that cannot run."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert, select

from extractor import store
from tests.extractor import things
from tests.extractor.checked import BAD, OTHER_UUID, PROJECT, datastore, field, fill, labels, settings


def generic(expression: str, fields: list[int], target: int | None = None, key: str = "func") -> dict[str, Any]:
    written = {"function": "flagGeneric", "field": fields, "kwargs": {key: expression}}
    return written if target is None else written | {"target": target}


@pytest.mark.parametrize(
    ("written", "first", "second"),
    [
        pytest.param(generic("x > 1", [1]), ".x.", "???", id="one"),
        pytest.param(generic("x > 1", [1], key="function"), ".x.", "???", id="time-io-key"),
        pytest.param(generic("x - y < 0", [1, 2]), "..x", "..x", id="two"),
        pytest.param(generic("y < 3", [2], target=1), "xx.", "???", id="onto-another"),
        pytest.param(generic("(x > 1) & (abs(y) < 3)", [1, 2], target=2), "???", ".x.", id="functions"),
        pytest.param(generic("x > x.transform('abs').rolling(9).aggregate('mean')", [1]), "...", "???", id="methods"),
        pytest.param(generic("x > mean(x)", [1]), ".x.", "???", id="whole-series"),
        pytest.param(
            {"function": "flagRange", "field": 2, "target": 1, "kwargs": {"max": 2}},
            "..x",
            "???",
            id="flags-onto-another",
        ),
    ],
)
def test_fields_and_targets(target: str, written: dict[str, Any], first: str, second: str) -> None:
    datastore(target, things.qaqc(written), p1=BAD, p2=[1.0, 2.0, 3.0])
    things.succeeded(things.run_qaqc(target))
    assert (labels(target, "1"), labels(target, "2")) == (first, second)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        pytest.param("x > __import__('os').system('touch {file}')", "'__import__' is not one of", id="import"),
        pytest.param("x > 1, y=__import__('os').system('touch {file}')", "is no expression", id="second-argument"),
        pytest.param("x > 1), __import__('os').system('touch {file}'", "is no expression", id="closes-the-call"),
        pytest.param("x > len(open('{file}', 'w'))", "'open' is not one of", id="open"),
        pytest.param("x > eval('1')", "'eval' is not one of", id="eval"),
        pytest.param(
            "x.transform('to_' + 'csv', 0, '{file}') > 1", "transform takes the name", id="method-by-its-name"
        ),
        pytest.param("x.rolling(2).aggregate(func='to_csv') > 1", "aggregate takes the name", id="method-by-keyword"),
        pytest.param("x.to_csv('{file}')", "unknown attribute: 'to_csv'", id="method-that-writes"),
        pytest.param("x.__class__", "attribute access", id="attribute"),
        pytest.param("[y for y in x]", "invalid generic function construct", id="comprehension"),
        pytest.param("lambda x: x > 1", "invalid generic function construct", id="lambda"),
        pytest.param("x > 1; y", "is no expression", id="statements"),
        pytest.param("x > y", "has 2 variables for 1 fields", id="too-many-variables"),
        pytest.param("x + 1", "does not return a boolean", id="no-verdict"),
        pytest.param(17, "needs an expression", id="number"),
    ],
)
def test_expressions_that_are_refused(target: str, tmp_path: Path, expression: Any, message: str) -> None:
    file = tmp_path / "written"
    text = expression.replace("{file}", str(file)) if isinstance(expression, str) else expression
    datastore(target, things.qaqc(generic(text, [1])), p1=BAD)
    assert message in things.failed(things.run_qaqc(target), 1)
    assert labels(target) == "???"
    assert not file.exists()


def test_a_test_of_several_things(target: str) -> None:
    series = [
        field(1),
        field(7, thing_uuid=OTHER_UUID),
        {"arg_name": "target", "position": 7, "thing_uuid": OTHER_UUID},
    ]
    written = {"name": "differ", "func_id": "flagGeneric", "kwargs": {"function": "x != y"}, "datastreams": series}
    elsewhere = {"func_id": "flagRange", "kwargs": {"max": 1}, "datastreams": [field(8, thing_uuid=OTHER_UUID)]}
    things.add(target, settings(written, elsewhere))
    store.add_thing(store.connect(target), UUID(OTHER_UUID), "other", None)
    fill(target, p1=[1.0, 2.0, 3.0])
    fill(target, OTHER_UUID, p7=[1.0, 2.0, 4.0], p8=BAD)
    things.succeeded(things.run_qaqc(target))
    assert (labels(target, "1"), labels(target, "7"), labels(target, "8")) == ("???", "..x", "???")
    things.succeeded(things.run_qaqc(target, "--project-uuid", PROJECT))
    assert labels(target, "8") == ".x."


def test_a_series_may_be_named_in_several_ways(target: str) -> None:
    """What a test flags under one name is hidden from the tests of another."""
    limit = {"function": "flagRange", "kwargs": {"max": 1}, "datastreams": [field(1, alias="T1S1")]}
    rest = {"function": "flagRange", "kwargs": {"max": 0}, "field": {"thing_uuid": things.UUID_TEXT, "position": 1}}
    differ = generic("isflagged(x) & isflagged(y)", [1, 2])
    datastore(target, settings(limit, rest, differ), p1=[0.0, 1.0, 2.0], p2=[0.0] * 3)
    assert "6 observations labelled, 2 of them flagged" in things.succeeded(things.run_qaqc(target))
    found = things.observations(target)["result_quality"].iloc[:3]
    assert [quality.get("properties", {}).get("configuration") for quality in found] == [None, {"max": 0}, {"max": 1}]


def regime(position: int, cluster: int | str) -> dict[str, Any]:
    kwargs = {"cluster_field": cluster, "spread": 1}
    return {"position": position, "function": "flagRegimeAnomaly", "kwargs": kwargs}


@pytest.mark.parametrize("cluster", [2, "2"])
def test_series_named_by_keywords_are_read_whatever_labels_they_have(target: str, cluster: int | str) -> None:
    tests = ({"position": 2, "function": "flagDummy"}, regime(1, cluster))
    datastore(target, things.qaqc(*tests, context_window=0), p1=[], p2=[0.0, 0.0, 0.0, 1.0])
    things.succeeded(things.run_qaqc(target))
    assert labels(target, "2") == "...."
    fill(target, p1=[5.0, 5.0, 5.0, 50.0])
    things.succeeded(things.run_qaqc(target))
    assert labels(target, "1") == "...x"


LOF = {"position": 1, "function": "flagUniLOF"}
VARIANCE = {"position": 2, "function": "flagByVariance", "kwargs": {"window": "3h", "thresh": 0.01}}


def test_a_test_that_cannot_run_costs_no_label_of_others(target: str) -> None:
    """A rain gauge in a dry month, and a series with a gap."""
    tests = (LOF, things.flag_range(1, max=1), VARIANCE, things.flag_range(3, max=1))
    datastore(target, things.qaqc(*tests), p1=[0.0] * 30, p2=[1.0, None, 2.0, 3.0, 9.0], p3=BAD)
    log = things.succeeded(things.run_qaqc(target))
    assert (
        "33 observations labelled, 1 of them flagged; 2 of 4 tests could not run: QAQC test 0 (flagUniLOF at 1): "
        in log
    )
    assert (labels(target, "1"), labels(target, "2"), labels(target, "3")) == ("." * 30, "????", ".x.")
    quality = things.observations(target)["result_quality"][0]
    assert quality["properties"] == {"notRun": ["flagUniLOF"]}


def test_what_no_test_could_look_at_is_looked_at_again(target: str) -> None:
    datastore(target, things.qaqc(VARIANCE), p2=[1.0, None, 2.0, 3.0])
    assert "no observation labelled; 1 of 1 tests could not run: QAQC test 0 (flagByVariance at 2)" in things.failed(
        things.run_qaqc(target), 1
    )
    with store.connect(target).begin() as connection:
        stream = connection.execute(select(store.datastream.c.id)).scalar_one()
        late = {"datastream_id": stream, "result_time": datetime(2026, 1, 1, 1, tzinfo=UTC), "result_type": 0}
        connection.execute(insert(store.observation).values(late | {"result_number": 1.5}))
    things.succeeded(things.run_qaqc(target))
    assert labels(target, "2") == "...."


def test_good_values_have_a_short_label(target: str) -> None:
    datastore(target, things.qaqc(things.flag_range(max=1)), p1=BAD)
    things.succeeded(things.run_qaqc(target))
    good, bad, _ = things.observations(target)["result_quality"]
    assert good == {"annotation": "0.0", "annotationType": "SaQC"}
    assert bad["properties"].keys() == {"version", "config", "measure", "configuration"}
    assert bad["resultQuality"] == {
        "primaryQualityMeasurement": {"value": 255.0, "metric": "flagRange", "parameters": {"max": 1}}
    }
