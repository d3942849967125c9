"""Quality control of a period, with settings chosen by name and project."""

from pathlib import Path

import pytest
from sqlalchemy import update

from extractor import store
from tests.extractor import things
from tests.extractor.checked import OTHER_UUID, PROJECT, datastore, field, labels, settings


@pytest.mark.parametrize(
    ("period", "expected"),
    [
        pytest.param((), "xxxxxxxx", id="what-has-no-label"),
        pytest.param(("--start", "2026-01-01T02:00:00Z", "--end", "2026-01-01T05:00:00+01:00"), "??xxx???", id="both"),
        pytest.param(("--start", "2026-01-01T05:00:00Z"), "?????xxx", id="start"),
        pytest.param(("--end", "2026-01-01T01:30:00Z"), "xx??????", id="end"),
        pytest.param(("--start", "2027-01-01T00:00:00Z"), "????????", id="nothing-there"),
    ],
)
def test_labels_are_written_for_the_period(target: str, period: tuple[str, ...], expected: str) -> None:
    datastore(target, things.qaqc(things.flag_range(max=0)), p1=[1.0] * 8)
    log = things.succeeded(things.run_qaqc(target, *period))
    assert labels(target) == expected
    count = expected.count("x")
    assert (f"{count} observations labelled" if count else "nothing to do") in log.splitlines()[-1]


def test_a_period_is_checked_again_with_settings_that_have_changed(target: str) -> None:
    datastore(target, things.qaqc(things.flag_range(max=0)), p1=[1.0] * 4)
    things.succeeded(things.run_qaqc(target))
    with store.connect(target).begin() as connection:
        connection.execute(update(store.thing).values(properties=things.qaqc(things.flag_range(max=2))))
    assert "nothing to do" in things.succeeded(things.run_qaqc(target))
    things.succeeded(things.run_qaqc(target, "--start", "2026-01-01T01:00:00Z", "--end", "2026-01-01T02:00:00Z"))
    assert labels(target) == "x..x"


@pytest.mark.parametrize(("window", "expected"), [(0, "????.."), (3, "????xx"), ("3h", "????xx")])
def test_the_period_is_seen_with_its_context(target: str, window: int | str, expected: str) -> None:
    constant = {"position": 1, "function": "flagConstants", "kwargs": {"thresh": 0.1, "window": "4h"}}
    datastore(target, things.qaqc(constant, context_window=window), p1=[1.0, 5.0, 5.0, 5.0, 5.0, 5.0])
    things.succeeded(things.run_qaqc(target, "--start", "2026-01-01T04:00:00Z"))
    assert labels(target) == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(("--start", "2026-01-01"), "not a time with an offset", id="date"),
        pytest.param(("--start", "2026-01-01T00:00:00"), "not a time with an offset", id="no-offset"),
        pytest.param(("--end", "soon"), "not a time with an offset", id="word"),
        pytest.param(
            ("--start", "2026-01-02T00:00:00Z", "--end", "2026-01-01T00:00:00Z"), "before --start", id="order"
        ),
        pytest.param(("--project-uuid", "17"), "not a valid UUID", id="project"),
    ],
)
def test_a_wrong_period_is_a_usage_error(tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    assert message in things.failed(things.run_qaqc(f"sqlite:///{tmp_path}/data.sqlite", *options), 2)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param((), ".x", id="default"),
        pytest.param(("--qc-settings-name", "strict"), "xx", id="name"),
        pytest.param(("--project-uuid", PROJECT, "--qc-settings-name", "strict"), "xx", id="project-and-name"),
        pytest.param(("--project-uuid", OTHER_UUID), "??", id="project-without-a-default"),
    ],
)
def test_settings_are_chosen_by_name_and_project(target: str, options: tuple[str, ...], expected: str) -> None:
    usual = settings({"func_id": "flagRange", "kwargs": {"max": 1}, "datastreams": [field(1)]}, name="usual")
    strict = settings(
        {"func_id": "flagRange", "kwargs": {"max": 0}, "datastreams": [field(1)]}, name="strict", default=False
    )
    other = settings(name="other", default=False, project_uuid=OTHER_UUID)
    datastore(target, {"QAQC": [strict["QAQC"], usual["QAQC"], other["QAQC"]]}, p1=[1.0, 2.0])
    things.succeeded(things.run_qaqc(target, *options))
    assert labels(target) == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(("--qc-settings-name", "other"), "is called 'other': there is 'usual'", id="name"),
        pytest.param(("--project-uuid", OTHER_UUID), f"belongs to project {OTHER_UUID}", id="project"),
    ],
)
def test_settings_that_do_not_exist(target: str, options: tuple[str, ...], message: str) -> None:
    datastore(target, settings(), p1=[1.0])
    assert message in things.failed(things.run_qaqc(target, *options), 1)


def test_a_name_where_there_are_no_settings(target: str) -> None:
    datastore(target, None, p1=[1.0])
    assert "no QAQC settings, so none called 'x'" in things.failed(
        things.run_qaqc(target, "--qc-settings-name", "x"), 1
    )
