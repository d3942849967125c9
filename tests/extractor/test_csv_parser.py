"""What CsvParser makes of a file."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from extractor import parsers
from extractor.errors import ExtractorError
from extractor.parsing import lines
from extractor.parsing.columns import RESULT_STRING
from extractor.reading import unpacking
from tests.extractor import things
from tests.extractor.things import CSV


def read(path: Path, content: str | bytes, **changes: Any) -> dict[str, list[tuple[str, float | str]]]:
    """Position -> (time, value) of everything in the file."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    found: dict[str, list[tuple[str, float | str]]] = {}
    parser = parsers.parser_for("CsvParser", {"parsers": [{"type": "CsvParser", "settings": CSV | changes}]})
    with unpacking.opened(path) as stream:
        for columns in parser.report.watch(parser.read(stream)):
            for column in columns:
                for row in column.values.itertuples():
                    assert str(row.result_time.tz) == "UTC"
                    time = row.result_time.tz_localize(None).isoformat(sep=" ")
                    value = row.result_string if row.result_type == RESULT_STRING else row.result_number
                    found.setdefault(column.position, []).append((time, value))
    return found


T1, T2 = "2026-01-01 00:00:00", "2026-01-01 01:00:00"


@pytest.mark.parametrize(
    ("content", "changes", "expected"),
    [
        pytest.param(f"t,a,b\n{T1},1,2\n", {}, {"1": [(T1, 1.0)], "2": [(T1, 2.0)]}, id="a column is a datastream"),
        pytest.param(f"a,t\n1.5,{T1}\n", {"timestamp_column": 1}, {"0": [(T1, 1.5)]}, id="time not in front"),
        pytest.param(f"t,a,b\n{T1},,NaN\n{T2},1,\n", {}, {"1": [(T2, 1.0)]}, id="empty and NaN are no observation"),
        pytest.param(f"t,a\n{T1},1\n{T2},fault\n", {}, {"1": [(T1, 1.0), (T2, "fault")]}, id="a text among numbers"),
        pytest.param(f"t,a\n{T1},-9999\n{T2},1", {"na_values": "-9999"}, {"1": [(T2, 1.0)]}, id="na_values"),
        pytest.param(
            f"t;a;b\n{T1};1,5;1.000\n",
            {"delimiter": ";", "decimal": ","},
            {"1": [(T1, 1.5)], "2": [(T1, "1.000")]},
            id="decimal comma",
        ),
        pytest.param(f"# logger\n\nt,a\n# b\n{T1},1 # c\n", {}, {"1": [(T1, 1.0)]}, id="comments and blank lines"),
        pytest.param(f"logger 7\nt,a\n{T1},1\n", {"header": 2}, {"1": [(T1, 1.0)]}, id="header further down"),
        pytest.param(f"t,a\n{T1},1\nend\n", {"skipfooter": 1}, {"1": [(T1, 1.0)]}, id="skipfooter"),
        pytest.param(f"t::a\n{T1}::1\n", {"delimiter": "::"}, {"1": [(T1, 1.0)]}, id="long delimiter"),
        pytest.param(
            f"t,a\n{T1},\xb0\n".encode("latin-1"), {"encoding": "latin-1"}, {"1": [(T1, "\xb0")]}, id="encoding"
        ),
        pytest.param(
            "t,a\n2026-01-01 01:00:00+01:00,1\n",
            {"timestamp_format": "%Y-%m-%d %H:%M:%S%z"},
            {"1": [(T1, 1.0)]},
            id="time with a zone",
        ),
        pytest.param("t,a\n", {}, {}, id="header alone"),
        pytest.param(f'"t","a"\n"{T1}","x, ""y"""\n', {}, {"1": [(T1, 'x, "y"')]}, id="quotes"),
        pytest.param(f"t,a\n{T1},0.1\n{T2},1e-5\n", {}, {"1": [(T1, 0.1), (T2, 1e-5)]}, id="exact numbers"),
    ],
)
def test_values(tmp_path: Path, content: str | bytes, changes: dict[str, Any], expected: Any) -> None:
    assert read(tmp_path / "file", content, **changes) == expected


@pytest.mark.parametrize(
    ("content", "changes", "message"),
    [
        pytest.param(
            f"t,a\n{T1},1\nyesterday,2\n",
            {},
            "line 3, column 0 (t): 'yesterday' does not match timestamp_format '%Y-%m-%d %H:%M:%S'",
            id="time",
        ),
        pytest.param(
            f"# x\n\nt,a\n# y\n{T1},1\n\nno,2\n", {}, "line 7, column 0 (t): 'no'", id="lines as an editor counts"
        ),
        pytest.param(f't,a\n{T1},"x\ny"\nno,2\n', {}, "line 4, column 0 (t): 'no'", id="value over two lines"),
        pytest.param("t,a\n,2\n", {}, "line 2, column 0 (t): no timestamp", id="no time"),
        pytest.param("t,a\n", {"timestamp_column": 2}, "timestamp_column is 2", id="no such column"),
        pytest.param("", {}, "no header in line 1", id="empty file"),
        pytest.param("t,a\n", {"header": 5}, "header is 5, but the file has only 1 line", id="header beyond the end"),
        pytest.param(
            f"t,a\n{T1},\xb0\n".encode("latin-1"), {}, "not utf-8 (setting `encoding`): byte 0xb0", id="encoding"
        ),
        pytest.param(f't,a\n{T1},"1\n', {}, "line 2: a quote is opened and not closed", id="open quote"),
        pytest.param(f"t,a\n{T1},1\n{T1},1,2,3\n", {}, "line 3", id="too many fields"),
    ],
)
def test_bad_files_are_named_in_one_line(
    tmp_path: Path, content: str | bytes, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ExtractorError) as caught:
        read(tmp_path / "file", content, **changes)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_line_numbers_hold_in_a_file_of_several_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "BLOCK_LINES", 10)
    times = pd.date_range("2026", periods=25, freq="h").strftime("%Y-%m-%d %H:%M:%S").tolist()
    rows = [f"{time},1" for time in times]
    assert len(read(tmp_path / "good", "\n".join(["t,a", *rows]))["1"]) == 25
    rows[22] = "bad,1"
    with pytest.raises(ExtractorError, match="line 24, column 0"):
        read(tmp_path / "bad", "\n".join(["t,a", *rows]))


@pytest.mark.parametrize(("bad", "code"), [(6, 0), (7, 1)])
def test_bad_rows_are_named_and_counted_and_a_tenth_is_the_most(tmp_path: Path, bad: int, code: int) -> None:
    target = f"sqlite:///{tmp_path / 'data.sqlite'}"
    things.add(target, things.csv_parser(on_bad_rows="skip"))
    times = pd.date_range("2026", periods=60 - bad, freq="h").strftime("%Y-%m-%d %H:%M:%S").tolist()
    (tmp_path / "file").write_text("\n".join(["t,a", *["bad,1"] * bad, *(f"{time},1" for time in times)]))
    done = things.parse(target, f"file://{tmp_path}/file", EXTRACTOR_FILE_ROOTS=str(tmp_path))
    assert done.returncode == code, done.stderr
    assert [f"left out: line {line}, column 0 (t): 'bad'" in done.stderr for line in range(2, 9)] == [True] * 5 + [
        False
    ] * 2
    last = done.stderr.strip().splitlines()[-1]
    assert (f"{bad} bad rows were left out" if code == 0 else f"{bad} of 60 rows are bad, more than a tenth") in last
    assert len(things.observations(target)) == (60 - bad if code == 0 else 0)


@pytest.mark.parametrize("newest_first", [False, True])
def test_the_repeated_hour_is_told_apart_across_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, newest_first: bool
) -> None:
    monkeypatch.setattr(lines, "BLOCK_LINES", 2)
    clock = ["01:00", "01:30", "02:00", "02:30", "02:00", "02:30", "03:00"]
    rows = [f"2021-10-31 {time}:00,{number}\n" for number, time in enumerate(clock)]
    path = tmp_path / "file.csv"
    path.write_text("".join(["t,a\n", *(reversed(rows) if newest_first else rows)]))
    settings = {"header": 0, "timezone": "Europe/Berlin"}
    settings["timestamp_columns"] = [{"column": 0, "format": "%Y-%m-%d %H:%M:%S"}]
    parser = parsers.parser_for("csv", {"parsers": [{"type": "csv", "settings": settings}]})
    with path.open("rb") as stream:
        found = pd.concat([column.values for columns in parser.read(stream) for column in columns])
    halves = pd.date_range("2021-10-30 23:00", periods=7, freq="30min", tz="UTC")
    assert dict(zip(found["result_time"], found["result_number"], strict=True)) == dict(
        zip(halves, range(7), strict=True)
    )
