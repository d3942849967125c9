"""The commands as a job runs them, on a real year of data, into real datastores, with a real broker."""

import json
import shutil
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import text, update

from extractor import store
from tests.extractor import things
from tests.support.mosquitto import Mosquitto, subscribed
from tests.support.static_http import StaticHttp

YEAR = things.ROOT / "container" / "demo" / "sf-temps.csv"
YEAR_SETTINGS = {"timestamp_column": 1, "timestamp_format": "%Y/%m/%d %H:%M:%S"}
ROWS, FLAGGED = 8759, 1166


def annotations(target: str) -> list[str | None]:
    return [quality and quality["annotation"] for quality in things.observations(target)["result_quality"]]


def day(files: Path, **values: Any) -> None:
    """`day.csv`, a file of hourly values, one column a keyword."""
    hours = pd.date_range("2026-01-01", periods=len(next(iter(values.values()))), freq="h")
    pd.DataFrame({"time": hours, **values}).to_csv(files / "day.csv", index=False, date_format="%Y-%m-%d %H:%M:%S")


def test_a_year_is_parsed_checked_and_parsed_again(target: str, files: Path, http: StaticHttp) -> None:
    shutil.copy(YEAR, files / "year.csv")
    source = http.url("year.csv", "X-Signature=canary-source")
    limits = things.flag_range(0, min=46, max=65)
    things.add(target, things.csv_parser(**YEAR_SETTINGS) | things.qaqc(limits))

    log = things.succeeded(things.parse(target, source, run=things.job))
    assert "8,759 observations stored" in log
    stored = things.observations(target)
    assert len(stored) == ROWS
    assert set(stored["name"]) == {"station/0"}
    assert stored["result_number"].agg(["min", "max"]).tolist() == [45.6, 72.2]
    assert stored["parameters"][0] == {"origin": http.url("year.csv"), "column_header": "temp"}
    assert stored["result_quality"].isna().all()

    assert "8,759 observations labelled" in things.succeeded(things.run_qaqc(target, run=things.job))
    checked = things.observations(target)
    labels = list(checked["result_quality"])
    assert len(labels) == ROWS
    outside = ~checked["result_number"].between(46, 65)
    assert [label["annotation"] for label in labels] == ["255.0" if out else "0.0" for out in outside]
    assert outside.sum() == FLAGGED
    flagged = next(label for label in labels if label["annotation"] == "255.0")
    assert flagged["annotationType"] == "SaQC"
    assert flagged["properties"]["measure"] == "flagRange"
    assert flagged["properties"]["configuration"] == {"min": 46, "max": 65}

    # A repeated parse changes nothing, labels included, so there is nothing left to check.
    things.succeeded(things.parse(target, source))
    pd.testing.assert_frame_equal(things.observations(target), checked)
    assert "nothing to do" in things.succeeded(things.run_qaqc(target))
    assert "canary-source" not in log


def test_a_corrected_value_wins_and_is_checked_again(target: str, files: Path, http: StaticHttp) -> None:
    things.add(target, things.csv_parser() | things.qaqc(things.flag_range(max=10)))
    day(files, a=[1, 20, 3])
    things.succeeded(things.parse(target, http.url("day.csv")))
    things.succeeded(things.run_qaqc(target))
    assert annotations(target) == ["0.0", "255.0", "0.0"]
    day(files, a=[1, 2, 3])
    things.succeeded(things.parse(target, http.url("day.csv")))
    assert things.observations(target)["result_number"].tolist() == [1, 2, 3]
    assert annotations(target) == ["0.0", None, "0.0"]
    things.succeeded(things.run_qaqc(target))
    assert annotations(target) == ["0.0", "0.0", "0.0"]


@pytest.mark.parametrize("window", [3, "3", "3h"])
def test_context_is_seen_but_not_labelled_again(target: str, files: Path, http: StaticHttp, window: int | str) -> None:
    constant = {"position": 1, "function": "flagConstants", "kwargs": {"thresh": 0.1, "window": "4h"}}
    things.add(target, things.csv_parser() | things.qaqc(constant, context_window=window))
    day(files, a=[1, 2, 5, 5, 5])
    things.succeeded(things.parse(target, http.url("day.csv")))
    things.succeeded(things.run_qaqc(target))
    before = annotations(target)
    day(files, a=[1, 2, 5, 5, 5, 5, 5])
    things.succeeded(things.parse(target, http.url("day.csv")))
    assert "2 observations labelled" in things.succeeded(things.run_qaqc(target))
    # Only together with the values before them are the two new ones four hours of the same.
    assert annotations(target) == [*before, "255.0", "255.0"]
    assert before == ["0.0"] * 5


# As the quality-control queries of time.IO's dashboards choose what they draw as a fault.
DRAWN_AS_FAULT = """
SELECT result_number FROM observation
WHERE result_quality ->> 'annotation' NOT IN ('0.0', '-inf') ORDER BY result_time
"""


def test_dashboards_draw_the_flagged_values_alone(target: str, files: Path, http: StaticHttp) -> None:
    things.add(target, things.csv_parser() | things.qaqc(things.flag_range(max=10)))
    day(files, a=[1, 20, 3, 40])
    things.succeeded(things.parse(target, http.url("day.csv")))
    things.succeeded(things.run_qaqc(target))
    with store.connect(target).connect() as connection:
        assert connection.execute(text(DRAWN_AS_FAULT)).scalars().all() == [20, 40]


@pytest.mark.parametrize(
    ("test", "label"),
    [
        pytest.param({}, None, id="none"),
        pytest.param({"name": "limit"}, "limit", id="name of the test"),
        pytest.param({"name": "limit", "kwargs": {"max": 1, "label": "too high"}}, "too high", id="label"),
    ],
)
def test_a_label_in_the_words_of_the_user(
    target: str, files: Path, http: StaticHttp, test: dict[str, Any], label: str | None
) -> None:
    things.add(target, things.csv_parser() | things.qaqc(things.flag_range(max=1) | test))
    day(files, a=[2])
    things.succeeded(things.parse(target, http.url("day.csv")))
    things.succeeded(things.run_qaqc(target))
    assert things.observations(target)["result_quality"][0]["properties"].get("userLabel") == label


def test_texts_are_stored_and_not_checked(target: str, files: Path, http: StaticHttp) -> None:
    things.add(target, things.csv_parser() | things.qaqc(things.flag_range(max=1)))
    day(files, a=[1, "fault", 2])
    things.succeeded(things.parse(target, http.url("day.csv")))
    things.succeeded(things.run_qaqc(target))
    assert things.observations(target)["result_string"].tolist()[1] == "fault"
    assert annotations(target) == ["0.0", None, "255.0"]


def test_the_later_of_two_rows_with_one_time_wins(target: str, files: Path, http: StaticHttp) -> None:
    things.add(target, things.csv_parser())
    (files / "twice.csv").write_text("t,a\n2026-01-01 00:00:00,1\n2026-01-01 00:00:00,2\n")
    things.succeeded(things.parse(target, http.url("twice.csv")))
    assert things.observations(target)["result_number"].tolist() == [2]


def test_concurrent_parses_of_one_thing(target: str, files: Path, http: StaticHttp) -> None:
    """Overlapping files in opposite orders, where neither tables nor datastreams exist at first."""
    things.add(target, things.csv_parser())
    with store.connect(target).begin() as connection:
        for table in ("observation", "datastream"):
            connection.execute(text(f"DROP TABLE {table}"))
    rows = [f"{time},{n},{n}" for n, time in enumerate(pd.date_range("2026", periods=5000, freq="min"))]
    (files / "up.csv").write_text("\n".join(["t,a,b", *rows]))
    (files / "down.csv").write_text("\n".join(["t,a,b", *reversed(rows)]))
    with ThreadPoolExecutor(4) as pool:
        sources = [http.url(name) for name in ("up.csv", "down.csv") * 2]
        for done in list(pool.map(lambda source: things.parse(target, source, run=things.job), sources)):
            things.succeeded(done)
    assert len(things.observations(target)) == 10_000


def test_a_bad_row_leaves_nothing_behind(target: str, files: Path, http: StaticHttp) -> None:
    things.add(target, things.csv_parser())
    times = pd.date_range("2026", periods=120_000, freq="s").strftime("%Y-%m-%d %H:%M:%S")
    (files / "bad.csv").write_text("\n".join(["t,a", *(f"{time},1" for time in times), "bad,1"]))
    assert "line 120002, column 0 (t): 'bad'" in things.failed(things.parse(target, http.url("bad.csv")), 1)
    assert things.observations(target).empty


def test_some_100_000_observations_arrive_as_they_are(target: str, files: Path, http: StaticHttp) -> None:
    things.add(target, things.csv_parser())
    values = np.random.default_rng(1).normal(size=(75_000, 2))
    day(files, a=values[:, 0], b=values[:, 1])
    things.succeeded(things.parse(target, http.url("day.csv")))
    stored = things.observations(target)
    for column, position in enumerate(["1", "2"]):
        assert (stored[stored["position"] == position]["result_number"].to_numpy() == values[:, column]).all()


def test_a_label_of_another_tool_counts_and_json_null_does_not(target: str, files: Path, http: StaticHttp) -> None:
    things.add(target, things.csv_parser() | things.qaqc(things.flag_range(max=1), context_window=0))
    day(files, a=[1, 2])
    things.succeeded(things.parse(target, http.url("day.csv")))
    quality = store.observation.c.result_quality
    with store.connect(target).begin() as connection:
        null = "'null'::jsonb" if connection.dialect.name == "postgresql" else "'null'"
        connection.execute(update(store.observation).values({quality: text(null)}))
        mine = update(store.observation).where(store.observation.c.result_number == 2)
        connection.execute(mine.values({quality: {"annotation": "mine"}}))
    things.succeeded(things.run_qaqc(target))
    assert annotations(target) == ["0.0", "mine"]


def test_messages_for_the_broker(target: str, broker: Mosquitto, files: Path, http: StaticHttp) -> None:
    things.add(target, things.csv_parser() | things.qaqc(things.flag_range(max=1)))
    day(files, a=[1, 2])
    account = ("-m", broker.address, "-u", broker.user, "-pw", broker.password)
    with subscribed(broker) as subscriber:
        things.succeeded(things.parse(target, http.url("day.csv", "canary-source"), *account))
        announced = subscriber.wait_for(lambda topic, _: topic == "data_parsed")
        assert announced == {"thing_uuid": things.UUID_TEXT, "db_uri": target}
        things.succeeded(things.run_qaqc(target, *account))
        topic = f"logging/{things.UUID_TEXT}"
        record = subscriber.wait_for(lambda where, what: where == topic and "labelled" in what["message"])
        assert record.keys() == {"timestamp", "level", "message", "extra"}
        assert record["level"] == "INFO"
        assert "canary" not in json.dumps(subscriber.on(topic))
        assert len(subscriber.on("data_parsed")) == 1


@pytest.mark.parametrize("reason", ["nobody listens", "wrong password"])
def test_an_unusable_broker_costs_the_message_not_the_data(
    tmp_path: Path, files: Path, http: StaticHttp, reason: str, request: pytest.FixtureRequest
) -> None:
    target = f"sqlite:///{tmp_path}/data.sqlite"
    things.add(target, things.csv_parser() | things.qaqc(things.flag_range(max=1)))
    day(files, a=[1, 2])
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unheard.getsockname()[1]}"
        if reason == "wrong password":
            address = request.getfixturevalue("broker").address
        account = ("-m", address, "-u", "tsm", "-pw", "canary-wrong")
        done = things.parse(target, http.url("day.csv"), *account)
        why = things.failed(done, 1)
        assert "the data is stored, but data_parsed was not announced" in why
        assert "canary" not in done.stderr
        assert len(things.observations(target)) == 2
        # Quality control announces nothing, so nothing is missing.
        things.succeeded(things.run_qaqc(target, *account))


def test_started_from_text_as_the_launcher_does(tmp_path: Path) -> None:
    program = f"""
import runpy, sys
sys.argv = ["main.py", "version"]
runpy.run_path({str(things.MAIN)!r}, run_name="__main__")
"""
    done = subprocess.run(
        [sys.executable, "-I", "-"], input=program, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "1.0.0\n"), done.stderr
