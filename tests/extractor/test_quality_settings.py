"""Settings of quality control as tsm-extractor and as time.IO write them, and those that are refused."""

from typing import Any

import pytest

from tests.extractor import things
from tests.extractor.checked import BAD, OTHER_UUID, RANGE, datastore, field, labels, settings


@pytest.mark.parametrize(
    "properties",
    [
        pytest.param(things.qaqc(RANGE | {"position": 1}), id="tsm-extractor"),
        pytest.param(things.qaqc(RANGE | {"position": "1"}), id="position-as-text"),
        pytest.param(things.qaqc(RANGE | {"field": 1}), id="field"),
        pytest.param(things.qaqc(RANGE | {"field": [1, 2]}), id="fields"),
        pytest.param(things.qaqc({"function": "flagRange", "kwargs": {"max": 1, "field": "1"}}), id="field-in-kwargs"),
        pytest.param(things.qaqc({"function": "flagRange", "args": {"max": 1, "field": "1"}}), id="field-in-args"),
        pytest.param(
            things.qaqc(RANGE | {"field": {"thing_uuid": things.UUID_TEXT, "position": 1}}), id="field-of-a-thing"
        ),
        pytest.param(
            settings({"function": "flagRange", "kwargs": {"max": 1}, "position": 1}, version=1), id="v1-of-today"
        ),
        pytest.param(settings(RANGE | {"name": "n", "datastreams": [field(1)]}), id="today"),
        pytest.param(settings(RANGE | {"name": "n", "datastreams": [field(1, alias="T1S2")]}), id="alias"),
        pytest.param(settings(RANGE | {"streams": [field(1) | {"mutable": False}]}), id="streams"),
        pytest.param({"QAQC": [settings(RANGE | {"datastreams": [field(1)]})["QAQC"]]}, id="list-of-settings"),
        pytest.param(
            {"QAQC": {"default": 0, "configs": [settings(RANGE | {"field": 1})["QAQC"]]}}, id="today-in-a-list"
        ),
        pytest.param(settings(RANGE | {"field": 1}, context_window=None), id="no-context"),
    ],
)
def test_settings_of_both_worlds(target: str, properties: dict[str, Any]) -> None:
    datastore(target, properties, p1=BAD, p2=BAD)
    things.succeeded(things.run_qaqc(target))
    assert labels(target) == ".x."


@pytest.mark.parametrize(
    ("written", "message"),
    [
        pytest.param(RANGE | {"position": 1, "field": 2}, "give one of position, field, datastreams", id="two-fields"),
        pytest.param(RANGE, "give one of position, field, datastreams", id="no-field"),
        pytest.param(
            RANGE | {"datastreams": [{"arg_name": "target", "position": 1}]}, "arg_name `field`", id="target-only"
        ),
        pytest.param(RANGE | {"datastreams": [{"arg_name": "field"}]}, "needs a position", id="nowhere"),
        pytest.param(
            RANGE | {"datastreams": [field(1), field(2, alias="1")]},
            "'1' names two series",
            id="alias-twice",
        ),
        pytest.param(RANGE | {"position": 99}, "no position 99; thing", id="no-such-position"),
        pytest.param(RANGE | {"position": "01"}, "no position 01; thing", id="mistyped-position"),
        pytest.param(RANGE | {"position": "1,2"}, "has the positions 1, 2", id="list-as-text"),
        pytest.param(
            RANGE | {"field": {"thing_uuid": OTHER_UUID, "position": 1}},
            f"thing {OTHER_UUID} has the positions none yet",
            id="no-such-thing",
        ),
        pytest.param(
            RANGE | {"datastreams": [{"arg_name": "field", "sta_thing_id": 1, "sta_stream_id": 33}]},
            "no sms_datastream_link: give thing_uuid and position",
            id="sensor-management-elsewhere",
        ),
        pytest.param(
            {"position": 1, "function": "flagRegimeAnomaly", "kwargs": {"cluster_field": 9, "spread": 1}},
            "no position 9; thing",
            id="no-such-series-by-keyword",
        ),
        pytest.param(
            {"position": 1, "function": "flagMAD"}, 'has flagZScore with "method": "modified"', id="old-function"
        ),
        pytest.param(
            {"position": 1, "function": "plot", "kwargs": {"path": "/tmp/x"}}, "'plot' is not one of", id="writes-files"
        ),
        pytest.param(
            {"position": 1, "function": "processGeneric"}, "'processGeneric' is not one of", id="changes-values"
        ),
        pytest.param({"position": 1, "function": "flagRange"}, "needs min, max or both", id="no-limits"),
        pytest.param(things.flag_range(min=3, max=1), "that flags every value", id="limits-crossed"),
        pytest.param(
            RANGE | {"position": 1, "kwargs": {"max": 1, "flag": "bad"}}, "a flag is a number", id="flag-as-word"
        ),
        pytest.param(
            {"position": 1, "function": "flagRange", "kwargs": {"min": "0"}},
            "tests.0.kwargs: flagRange cannot run",
            id="text",
        ),
        pytest.param(
            {"position": 1, "function": "flagRange", "kwargs": {"max": 1, "start_date": "nonsense"}},
            "tests.0.kwargs: flagRange cannot run",
            id="start-date",
        ),
        pytest.param(
            {"position": 1, "function": "flagConstants"}, "kwargs.window: flagConstants needs it", id="missing"
        ),
        pytest.param(
            {"position": 1, "function": "flagDriftFromNorm", "kwargs": {"window": "1h", "spread": 1}},
            "give a list of two or more",
            id="drift-of-one",
        ),
        pytest.param({"position": 1, "function": "transferFlags"}, "needs a target", id="no-target"),
    ],
)
def test_settings_that_are_refused(target: str, written: dict[str, Any], message: str) -> None:
    datastore(target, things.qaqc(things.flag_range(max=0), written), p1=BAD, p2=BAD)
    done = things.run_qaqc(target)
    assert message.replace("tests.0", "tests.1") in things.failed(done, 1)
    assert len(done.stderr) < 1000
    assert labels(target) == "???"


@pytest.mark.parametrize("window", ["", "nan", "soon", "-1h"])
def test_a_context_window_that_is_none(target: str, window: str) -> None:
    datastore(target, things.qaqc(things.flag_range(max=0), context_window=window), p1=BAD)
    assert "context_window: " in things.failed(things.run_qaqc(target), 1)


@pytest.mark.parametrize("window", ["4H", "240T", "14400S", "4h", "0.1666667D"])
def test_old_spellings_of_time_spans(target: str, window: str) -> None:
    constant = {"position": 1, "function": "flagConstants", "kwargs": {"thresh": 0.1, "window": window}}
    datastore(target, things.qaqc(constant, context_window="4H"), p1=[1.0, 5.0, 5.0, 5.0, 5.0, 5.0, 9.0])
    things.succeeded(things.run_qaqc(target))
    assert labels(target) == ".xxxxx."
