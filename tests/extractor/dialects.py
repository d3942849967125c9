"""Tables, and files in which they are written in one of many ways, with the settings that describe them."""

import csv
import io
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

Value = float | str | None
Observations = dict[tuple[str, datetime], float | str]

ZONES = ("UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns")
# Each is a list of columns.
TIME_FORMATS = (
    ["%Y-%m-%d %H:%M:%S"],
    ["%Y-%m-%dT%H:%M:%S.%f"],
    ["%d.%m.%Y %H:%M:%S"],
    ["%m/%d/%y", "%I:%M:%S %p"],
    ["%Y", "%j", "%H%M%S"],
    ["%Y%m%d%H%M%S"],
    ["%d %b %Y", "%H:%M:%S"],
)
TEXTS = st.text("abcXYZäµ°#'\";,|\t. -0159", min_size=1, max_size=12).map(lambda text: f"q{text.strip()}")
VALUES = st.one_of(
    st.none(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(10**9), 10**9).map(float),
    TEXTS,
)
# No local time of these is skipped or repeated.
DAYS = st.sampled_from([datetime(year, month, 15) for year in (1970, 2000, 2024) for month in (1, 7, 12)])  # noqa: DTZ001


@dataclass(frozen=True)
class Written:
    """A file, its settings, and what it says."""

    content: bytes
    parser: str
    settings: dict[str, Any]
    observations: Observations


@dataclass(frozen=True)
class Way:
    """How a table is written."""

    delimiter: str
    decimal: str
    thousands: str | None
    missing: str
    quote_all: bool
    padded: bool
    line_end: str
    encoding: str
    formats: list[str]
    zone: str
    header: bool
    above: list[str]
    below: int
    between: list[str]
    old: bool


def ways() -> st.SearchStrategy[Way]:
    """All of them that one settings object can describe."""
    return st.builds(
        Way,
        delimiter=st.sampled_from([",", ";", "\t", "|"]),
        decimal=st.sampled_from([".", ","]),
        thousands=st.sampled_from([None, " ", "'"]),
        missing=st.sampled_from(["", "NA", "NAN", "-999", "-999.00", "#N/A", "-"]),
        quote_all=st.booleans(),
        padded=st.booleans(),
        line_end=st.sampled_from(["\n", "\r\n", "\r"]),
        encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
        formats=st.sampled_from(TIME_FORMATS),
        zone=st.sampled_from(ZONES),
        header=st.booleans(),
        above=st.lists(st.sampled_from(["Logger 7", "", "# by hand", 'Serial: "12', "a;b,c"]), max_size=3),
        below=st.integers(0, 3),
        between=st.lists(st.sampled_from(["", "# note", "   ", "  # 1,2;3"]), max_size=2),
        old=st.booleans(),
    ).map(_possible)


def _possible(way: Way) -> Way:
    """What tsm-extractor's settings cannot say is said in time.IO's."""
    fits = way.header and len(way.formats) == 1 and way.zone == "UTC" and way.thousands is None and not way.above
    return Way(**{**vars(way), "old": way.old and fits})


@st.composite
def files(draw: st.DrawFn) -> Written:
    """A table, written in some way."""
    way = draw(ways())
    width = draw(st.integers(1, 4))
    day = draw(DAYS)
    steps = draw(st.lists(st.integers(0, 86_399), min_size=1, max_size=8, unique=True))
    times = [day + timedelta(seconds=step) for step in steps]
    rows = [[draw(VALUES) for _ in range(width)] for _ in times]
    if all(value is None for row in rows for value in row):
        rows[0][0] = 1.5
    return _write(way, times, rows, draw(st.integers(0, width)))


def _write(way: Way, times: list[datetime], rows: list[list[Value]], place: int) -> Written:
    """The time columns stand before column `place`."""
    names = [f"c{number}" for number in range(len(rows[0]))]
    time_names = [f"t{number}" for number in range(len(way.formats))]
    header = [*names[:place], *time_names, *names[place:]]
    lines = list(way.above)
    if way.header:
        lines.append(_line(way, header))
    for time, row in zip(times, rows, strict=True):
        fields = [_field(way, value) for value in row]
        written = [time.strftime(form) for form in way.formats]
        lines += [_line(way, [*fields[:place], *written, *fields[place:]]), *way.between]
    lines += ["the end"] * way.below
    text = "".join(f"{line}{way.line_end}" for line in lines)
    positions = [header.index(name) for name in names]
    return Written(
        text.encode(way.encoding),
        "CsvParser" if way.old else "csv",
        _old(way, place) if way.old else _today(way, place),
        {
            (names[number] if way.header and not way.old else str(positions[number]), _utc(time, way.zone)): value
            for time, row in zip(times, rows, strict=True)
            for number, value in enumerate(row)
            if value is not None
        },
    )


def _utc(time: datetime, zone: str) -> datetime:
    return time.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def _field(way: Way, value: Value) -> str:
    if value is None:
        return way.missing
    return value if isinstance(value, str) else _number(way, value)


def _number(way: Way, value: float) -> str:
    text = repr(value)
    if way.thousands and "e" not in text and not text.endswith("e"):
        whole, _, rest = text.partition(".")
        return (
            f"{int(whole):,}".replace(",", way.thousands) + way.decimal + rest
            if whole != "-0"
            else f"-0{way.decimal}{rest}"
        )
    return text.replace(".", way.decimal)


def _line(way: Way, fields: list[str]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, "unix" if way.quote_all else "excel", delimiter=way.delimiter, lineterminator="")
    writer.writerow(fields)
    line = file.getvalue()
    if "#" in line and not way.quote_all:  # or a value would be a remark
        return _line(Way(**{**vars(way), "quote_all": True}), fields)
    quoted = '"' in line
    return line.replace(way.delimiter, f"  {way.delimiter} ") if way.padded and not quoted else line


def _common(way: Way) -> dict[str, Any]:
    missing = [-999] if way.missing.startswith("-9") else [way.missing]
    return {"delimiter": way.delimiter, "decimal": way.decimal, "na_values": missing, "encoding": way.encoding}


def _old(way: Way, place: int) -> dict[str, Any]:
    times = {"timestamp_column": place, "timestamp_format": way.formats[0]}
    return {**_common(way), **times, "header": 1, "skipfooter": way.below}


def _today(way: Way, place: int) -> dict[str, Any]:
    columns = [{"column": place + number, "format": form} for number, form in enumerate(way.formats)]
    return {
        **_common(way),
        "timestamp_columns": columns,
        "timezone": way.zone,
        "thousands": way.thousands,
        "skiprows": len(way.above),
        "header": 0 if way.header else None,
        "skipfooter": way.below,
        "on_bad_rows": "fail",
    }
