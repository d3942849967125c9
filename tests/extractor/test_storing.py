"""What a parse leaves in the datastore, and what it says about it."""

import re
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import select, update

from extractor import store
from extractor.errors import ExtractorError
from extractor.parsing.columns import Column
from extractor.storing import writer
from tests.extractor import things
from tests.support.static_http import StaticHttp


def stored(log: str) -> tuple[int, int]:
    """The number of observations that the log names as stored, and as new or changed."""
    found = re.search(r"([\d,]+) observations stored for thing \S+, ([\d,]+) of them new or changed", log)
    assert found, log
    return int(found[1].replace(",", "")), int(found[2].replace(",", ""))


def minutes(count: int) -> list[str]:
    return list(pd.date_range("2026", periods=count, freq="min").strftime("%Y-%m-%d %H:%M:%S"))


class Parse:
    """Parses files for one thing."""

    def __init__(self, target: str, files: Path, http: StaticHttp) -> None:
        self.target, self.files, self.http = target, files, http

    def __call__(self, *lines: str, header: str = "t,a") -> str:
        """Parse a file of these lines; returns the log."""
        return things.succeeded(self.tried(*lines, header=header))

    def tried(self, *lines: str, header: str = "t,a") -> things.Done:
        """How the parse of a file of these lines ended."""
        (self.files / "data.csv").write_text("\n".join([header, *lines]))
        return things.parse(self.target, self.http.url("data.csv"))

    def table(self) -> pd.DataFrame:
        """What is stored."""
        return things.observations(self.target)

    def numbers(self) -> list[float]:
        """The numbers that are stored."""
        return list(self.table()["result_number"])

    def thing_says(self, **properties: Any) -> None:
        """Change the thing's settings."""
        with store.connect(self.target).begin() as connection:
            connection.execute(update(store.thing).values(properties=things.csv_parser() | properties))


@pytest.fixture
def parse(target: str, files: Path, http: StaticHttp) -> Parse:
    things.add(target, things.csv_parser())
    return Parse(target, files, http)


def test_what_is_new_or_changed_is_counted(parse: Parse) -> None:
    lines = [f"{time},{number}" for number, time in enumerate(minutes(5))]
    assert stored(parse(*lines)) == (5, 5)
    assert stored(parse(*lines)) == (5, 0)
    assert stored(parse(*lines[:-1], f"{minutes(5)[-1]},text")) == (5, 1)
    assert parse.table()["result_string"].dropna().tolist() == ["text"]


@pytest.mark.parametrize(
    ("lines", "values"),
    [
        pytest.param(["00:00:00,1", "00:00:00,2", "00:01:00,3"], [2, 3], id="neighbours"),
        pytest.param(["00:01:00,1", "00:00:00,2", "00:01:00,3"], [2, 3], id="apart"),
        pytest.param(["00:00:00,1", "00:00:00,", "00:01:00,3"], [1, 3], id="the later one without a value"),
        pytest.param(["00:02:00,3", "00:01:00,2", "00:00:00,1"], [1, 2, 3], id="descending"),
    ],
)
def test_rows_of_the_table_are_counted(parse: Parse, lines: list[str], values: list[float]) -> None:
    log = parse(*(f"2026-01-01 {line}" for line in lines))
    assert parse.table()["result_number"].tolist() == values
    assert stored(log) == (len(values), len(values))


def test_a_time_that_comes_back_100_000_rows_later(parse: Parse) -> None:
    times = minutes(110_000)
    log = parse(*(f"{time},{number},{number}" for number, time in enumerate([*times, times[0]])), header="t,a,b")
    assert stored(log) == (220_000, 220_000)
    numbers = parse.table()["result_number"].to_numpy().reshape(2, -1)
    assert (numbers[:, 0] == 110_000).all()
    assert (numbers[:, 1:] == np.arange(1, 110_000)).all()


@pytest.mark.parametrize("year", ["0001", "0999", "1969", "9999"])
def test_times_of_any_year(parse: Parse, year: str) -> None:
    stored(parse(f"{year}-12-31 23:59:59,1"))
    log = parse(f"{year}-12-31 23:59:59,1")
    assert stored(log) == (1, 0)
    assert str(parse.table()["result_time"][0])[:19] == f"{year}-12-31 23:59:59"


@pytest.mark.parametrize("text", ['a "quoted", one', "Ω ✓", "\\N", "x;y"])
def test_texts_arrive_as_they_are(parse: Parse, text: str) -> None:
    quoted = text.replace('"', '""')
    parse(f'2026-01-01 00:00:00,"{quoted}",1', header="t,a,b")
    assert parse.table()["result_string"].dropna().tolist() == [text]


HOURS = ("2026-01-01 00:00:00", "2026-01-01 01:00:00", "2026-01-01 02:00:00")


@pytest.mark.parametrize(
    ("storing", "left", "told"),
    [
        pytest.param({}, [1, 3], "1 removed that are blank in the file", id="by default"),
        pytest.param({"storing": {"blank_values": "remove"}}, [1, 3], "1 removed that are blank", id="remove"),
        pytest.param({"storing": {"blank_values": "keep"}}, [1, 2, 3], None, id="keep"),
    ],
)
def test_a_corrected_file_takes_a_value_back(
    parse: Parse, storing: dict[str, Any], left: list[float], told: str | None
) -> None:
    parse.thing_says(**storing)
    parse(*(f"{time},{number}" for number, time in enumerate(HOURS, 1)))
    log = parse(f"{HOURS[0]},1", f"{HOURS[1]},", f"{HOURS[2]},3")
    assert parse.numbers() == left
    assert told in log if told else "removed" not in log


def test_a_longer_list_of_missing_values_takes_values_back(parse: Parse) -> None:
    lines = [f"{HOURS[0]},1,-999", f"{HOURS[1]},-999,2"]
    parse(*lines, header="t,a,b")
    parse.thing_says(**things.csv_parser(na_values="-999"))
    parse(*lines, header="t,a,b")
    assert parse.numbers() == [1, 2]


def test_a_blank_takes_nothing_from_other_times_and_columns(parse: Parse) -> None:
    parse(*(f"{time},1,2" for time in HOURS), header="t,a,b")
    parse(f"{HOURS[1]},,2", header="t,a,b")
    assert parse.numbers() == [1, 1, 2, 2, 2]


def test_of_two_rows_with_one_time_the_one_with_a_value_counts(parse: Parse) -> None:
    parse(f"{HOURS[0]},1,2", header="t,a,b")
    parse(f"{HOURS[0]},,3", f"{HOURS[0]},4,", header="t,a,b")
    assert parse.numbers() == [4, 3]


def test_a_column_without_values_makes_no_datastream(parse: Parse) -> None:
    parse(f"{HOURS[0]},1,", header="t,a,b")
    parse(f"{HOURS[0]},1,", header="t,a,b")
    with store.connect(parse.target).connect() as connection:
        assert store.positions_of(connection, 1) == {"1"}


@pytest.mark.parametrize("storing", [{"blank_values": "delete"}, {"blanks": "keep"}, "keep"], ids=str)
def test_wrong_settings_are_named(parse: Parse, storing: Any) -> None:
    parse.thing_says(storing=storing)
    assert "wrong settings for storing" in things.failed(parse.tried(f"{HOURS[0]},1"), 1)


@pytest.mark.parametrize(
    ("header", "told"),
    [
        pytest.param("t,a,b", [], id="the same"),
        pytest.param(
            "t,b,a", ["column 1 is 'b' in this file and was 'a' before", "column 2 is 'a'"], id="places changed"
        ),
        pytest.param("t,a,c", ["column 2 is 'c' in this file and was 'b' before"], id="another name"),
    ],
)
def test_columns_that_changed_their_places_are_told(parse: Parse, header: str, told: list[str]) -> None:
    parse(f"{HOURS[0]},1,2", header="t,a,b")
    last_line = parse(f"{HOURS[1]},1,2", header=header).splitlines()[-1]
    assert [reason in last_line for reason in told] == [True] * len(told)
    assert ("WARNING" in last_line) == bool(told)


def write(target: str, *columns: Column) -> writer.Stored:
    """Store columns as a parser of one's own hands them over."""
    engine = store.connect(target)
    thing = store.find_thing(engine, UUID(things.UUID_TEXT))
    return writer.write(engine, thing, [list(columns)], "http://files/data")


def column(position: str = "1", **values: list[Any]) -> Column:
    """Values of one kind at `HOURS`."""
    times = pd.to_datetime(list(HOURS), utc=True)
    ((name, given),) = values.items()
    types = {"result_number": 0, "result_string": 1, "result_boolean": 3}
    empty = {other: [None] * len(HOURS) for other in types}
    frame = pd.DataFrame({"result_time": times, "result_type": types[name], **empty, name: given})
    return Column(position, "header", frame, times[:0])


def test_truth_values_have_a_column_of_their_own(parse: Parse) -> None:
    assert write(parse.target, column(result_boolean=[True, False, True])).changed == 3
    assert write(parse.target, column(result_boolean=[True, True, True])).changed == 1
    with store.connect(parse.target).connect() as connection:
        query = select(store.observation.c.result_type, store.observation.c.result_boolean)
        assert [tuple(row) for row in connection.execute(query)] == [(3, True)] * 3


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        pytest.param(
            column(result_string=["a", "b\0", "c"]), "position 1, 2026-01-01T01:00:00Z: the text holds NUL", id="NUL"
        ),
        pytest.param(column("x" * 201, result_number=[1, 2, 3]), "has 201 characters", id="long position"),
    ],
)
def test_what_a_table_cannot_take_is_refused(parse: Parse, given: Column, reason: str) -> None:
    with pytest.raises(ExtractorError, match=reason):
        write(parse.target, given)
    assert parse.table().empty


def test_two_columns_with_one_name_are_refused(parse: Parse) -> None:
    with pytest.raises(ExtractorError, match="two columns of the file are both position 1"):
        write(parse.target, column(result_number=[1, 2, 3]), column(result_number=[4, 5, 6]))
