"""The settings of CSV files, in the two forms that things have: tsm-extractor's, and those of time.IO today.

Both become a `Layout`. A settings object belongs to the one or the other; its keys say to which.
"""

import csv
import io
import re
from typing import Annotated, Any, Literal, Self

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, field_validator, model_validator

from extractor.parsing import formats
from extractor.parsing.dialect import Dialect
from extractor.parsing.layout import Layout
from extractor.parsing.report import OnBadRows
from extractor.parsing.times import TimeColumn
from extractor.parsing.values import ValueReader
from extractor.parsing.zones import ZoneName, zone_of

_Index = Annotated[int, Field(ge=0)]
_Sign = Annotated[str, Field(min_length=1, max_length=1)]


def _list(value: Any) -> Any:
    """What may be given alone or in a list, as a list; None is an empty one."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _signs(value: Any) -> Any:
    return [sign for sign in _list(value) if sign != ""]


def _delimiter(value: str) -> str:
    """One character, or a regular expression of more; `\\t` as web forms send it, in two characters, is a tab."""
    if re.fullmatch(r"\\[^A-Za-z0-9]", value):
        value = value[1]
    value = {r"\t": "\t"}.get(value, value)
    if value in ('"', "\n", "\r"):
        raise ValueError("a quote or a line break cannot separate columns")
    if len(value) > 1:
        _check_pattern(value)
    return value


def _check_pattern(value: str) -> None:
    try:
        pattern = re.compile(value)
    except re.error as error:
        raise ValueError(f"more than one character is a regular expression, and {value!r} is none: {error}") from None
    if pattern.groups:
        raise ValueError(f"{value!r} has a group, which would become a column: write (?:…) in the place of (…)")
    if pattern.match(""):
        raise ValueError(f"{value!r} matches an empty text: write \\| for | itself")


def _encoding(value: str) -> str:
    try:
        io.TextIOWrapper(io.BytesIO(), encoding=value)
    except LookupError:
        raise ValueError(f"no encoding of texts is called {value!r}") from None
    return value


def _missing(value: Any) -> list[Any]:
    values = _list(value)
    if not isinstance(values, list) or any(
        isinstance(one, bool) or not isinstance(one, str | int | float) for one in values
    ):
        raise ValueError("texts or numbers are expected, one or a list of them")
    return values


class CsvSettings(BaseModel):
    """The settings of tsm-extractor; names and defaults are its own."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)

    delimiter: Annotated[str, Field(min_length=1)]
    """What separates two columns; more than one character is a regular expression."""
    header: Annotated[int, Field(ge=1)]
    """1-based line of the header; blank lines and lines that begin with the comment sign are not counted."""
    timestamp_column: _Index
    """0-based index of the column with the time of each row."""
    timestamp_format: Annotated[str, Field(min_length=1)]
    """`strptime` format, `ISO8601`, `UNIX_S` or `UNIX_MS`; a time without a zone is UTC."""
    comment: _Sign | None = "#"
    """Lines that begin with it are left out, and remarks behind the values."""
    decimal: _Sign = "."
    """The decimal sign; with another one, `1.5` is a text."""
    na_values: list[str | int | float] = []
    """Texts and numbers that mean "no value", besides the usual ones (empty, `NaN`, `NA`, …)."""
    encoding: str = "utf-8"
    """Of Python's encodings one; a byte order mark in the file goes before it."""
    skipfooter: _Index = 0
    """Lines at the end of the file that are not data."""
    engine: Literal["c", "python"] | None = None
    """Taken, and without effect: there is one reader."""
    on_bad_rows: OnBadRows = "fail"
    """`skip` leaves rows out that cannot be read, and counts them."""

    _delimiter = field_validator("delimiter")(_delimiter)
    _format = field_validator("timestamp_format")(formats.check)
    _encoding = field_validator("encoding")(_encoding)
    _missing = field_validator("na_values", mode="before")(_missing)

    def layout(self) -> Layout:
        """What the reader needs to know."""
        comments = () if self.comment is None else (self.comment,)
        return Layout(
            dialect=Dialect(self.delimiter, comments=comments),
            header=self.header - 1,
            counts_all_lines=False,
            times=(TimeColumn(self.timestamp_column, self.timestamp_format),),
            time_setting="timestamp_format",
            values=ValueReader(decimal=self.decimal, missing=tuple(self.na_values)),
            encoding=self.encoding,
            skipfooter=self.skipfooter,
            on_bad_rows=self.on_bad_rows,
        )


class TimestampColumn(BaseModel):
    """A column with the time, or part of it."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)

    column: _Index
    """0-based index of the column in the file."""
    format: Annotated[str, Field(min_length=1, validation_alias=AliasChoices("format", "timestamp_format"))]
    """As of `timestamp_format` in tsm-extractor's settings."""


class TimeIoSettings(BaseModel):
    """The settings of time.IO today; names and defaults are its own."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)

    timestamp_columns: Annotated[list[TimestampColumn], Field(min_length=1)]
    """`[{"column": 0, "format": "%d.%m.%Y"}, …]`: 0-based columns and their formats, all joined with blanks."""
    delimiter: Annotated[str, Field(min_length=1)] = ","
    """What separates two columns; more than one character is a regular expression."""
    header: _Index | None = None
    """0-based physical line of the header behind `skiprows`; null: there is none, and positions are column numbers."""
    timezone: ZoneName | None = None
    """Zone of times without one: `Europe/Berlin`, `+01:00`; left out, they are UTC."""
    encoding: str = "utf-8"
    """Of Python's encodings one; a byte order mark in the file goes before it."""
    comment: list[Annotated[str, Field(min_length=1)]] = ["#"]
    """Signs of any length; lines that begin with one are left out, and remarks behind the values."""
    skiprows: list[_Index] | _Index = 0
    """How many physical lines to leave out at the start, or which ones (0-based): `[1, 3]`, `"1,3"`."""
    headlines_to_exclude: list[_Index] | _Index = 0
    """The same by its old name."""
    skipfooter: _Index = 0
    """Physical lines at the end of the file that are not data."""
    footlines_to_exclude: _Index = 0
    """The same by its old name."""
    names: list[str] | None = None
    """Names of all columns, where the file has no header; they become the positions."""
    duplicate: bool = False
    """With a header: store each column twice, at its name and at its number."""
    decimal: _Sign = "."
    """The decimal sign; with another one, `1.5` is a text."""
    thousands: _Sign | None = None
    """What stands between groups of three digits; where the groups have other lengths, the value is a text."""
    na_values: list[str | int | float] = []
    """Texts and numbers that mean "no value", besides the usual ones."""
    keep_default_na: bool = True
    """Whether the usual words (`NA`, `null`, …) mean "no value" too."""
    usecols: list[int | str] | None = None
    """Numbers or names of the columns to store; the others are ignored."""
    quotechar: _Sign | None = '"'
    """What stands around values that hold the delimiter."""
    quoting: Literal[0, 1, 2, 3] = 0
    """As of Python's `csv`: 3 takes quotes for text."""
    doublequote: bool = True
    """Whether a quote inside of quotes is written twice."""
    escapechar: _Sign | None = None
    """What makes the next character one without a meaning of its own."""
    engine: Literal["c", "python", "python-fwf", "pyarrow"] | None = None
    """Taken, and without effect: there is one reader."""
    skipinitialspace: bool = True
    """Taken, and without effect: blanks around values are never part of them."""
    low_memory: bool = True
    """Taken, and without effect."""
    index_col: Literal[False] | None = None
    """Taken, and without effect."""
    on_bad_lines: Literal["error", "warn", "skip"] | None = None
    """pandas' name of `on_bad_rows`: `error` is `fail`, the others are `skip`."""
    on_bad_rows: OnBadRows | None = None
    """`skip` (the default) leaves rows out that cannot be read, and counts them; `fail` stores nothing then."""

    _delimiter = field_validator("delimiter")(_delimiter)
    _encoding = field_validator("encoding")(_encoding)
    _missing = field_validator("na_values", mode="before")(_missing)
    _comment = field_validator("comment", mode="before")(_signs)

    @model_validator(mode="before")
    @classmethod
    def _flat(cls, given: Any) -> Any:
        """The settings with those of `pandas_read_csv` among them, which win; null is the default."""
        if not isinstance(given, dict):
            return given
        more = given.get("pandas_read_csv") or {}
        if not isinstance(more, dict):
            raise ValueError("pandas_read_csv: an object of settings is expected")  # noqa: TRY004 - pydantic's rule
        if unknown := sorted(more.keys() - _PANDAS):
            raise ValueError(f"pandas_read_csv: {unknown[0]!r} is not taken; these are: {', '.join(sorted(_PANDAS))}")
        flat = {key: value for key, value in given.items() if key != "pandas_read_csv"} | more
        # A web form sends an empty text for what was not filled in.
        return {key: value for key, value in flat.items() if value not in (None, "") or key == "comment"}

    @field_validator("skiprows", "headlines_to_exclude", mode="before")
    @classmethod
    def _lines(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if not re.fullmatch(r"\s*\d+\s*(,\s*\d+\s*)*", value):
            raise ValueError("a number of lines is expected, or the numbers of lines: 2, [1, 3] or '1,3'")
        lines = [int(part) for part in value.split(",")]
        return lines if len(lines) > 1 else lines[0]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        formats.check(" ".join(column.format for column in self.timestamp_columns))
        if self.on_bad_lines and self.on_bad_rows:
            raise ValueError("on_bad_lines and on_bad_rows say the same: keep on_bad_rows")
        if self.names and self.header is not None:
            raise ValueError("names are for files without a header: leave header out, or skip its line with skiprows")
        return self

    def layout(self) -> Layout:
        """What the reader needs to know."""
        skiprows = self.skiprows or self.headlines_to_exclude
        return Layout(
            dialect=Dialect(
                self.delimiter,
                None if self.quoting == csv.QUOTE_NONE else self.quotechar,
                self.doublequote,
                self.escapechar,
                tuple(self.comment),
            ),
            header=self.header,
            counts_all_lines=True,
            names=tuple(self.names or ()),
            names_are_positions=True,
            duplicate=self.duplicate,
            times=tuple(TimeColumn(column.column, column.format.strip()) for column in self.timestamp_columns),
            time_setting="timestamp_columns",
            zone=zone_of(self.timezone or "UTC"),
            values=ValueReader(self.decimal, self.thousands, tuple(self.na_values), self.keep_default_na, truths=True),
            kept=None if self.usecols is None else tuple(self.usecols),
            encoding=self.encoding,
            skiprows=frozenset(range(skiprows) if isinstance(skiprows, int) else skiprows),
            skipfooter=self.skipfooter or self.footlines_to_exclude,
            on_bad_rows=self.on_bad_rows or ("fail" if self.on_bad_lines == "error" else "skip"),
        )


# Of pandas.read_csv's arguments those that mean something here.
_PANDAS = frozenset(
    TimeIoSettings.model_fields.keys()
    - {"timestamp_columns", "timezone", "headlines_to_exclude", "footlines_to_exclude", "duplicate", "on_bad_rows"}
)
_OWN_OF_OLD = CsvSettings.model_fields.keys() - TimeIoSettings.model_fields.keys()
_OWN_OF_TODAY = {"pandas_read_csv", *TimeIoSettings.model_fields} - CsvSettings.model_fields.keys()


def model_for(parser: str, settings: Any) -> type[CsvSettings] | type[TimeIoSettings]:
    """The form that these settings have; where no key says so, the one that goes with the parser's name.

    Raises:
        ValueError: they have keys of both.
    """
    keys = set(settings) if isinstance(settings, dict) else set()
    old, today = sorted(keys & _OWN_OF_OLD), sorted(keys & _OWN_OF_TODAY)
    if old and today:
        raise ValueError(
            f"{', '.join(old)} {'is a setting' if len(old) == 1 else 'are settings'} of tsm-extractor,"
            f" {', '.join(today)} of time.IO today: keep to one of the two forms"
        )
    return TimeIoSettings if today or (parser == "csv" and not old) else CsvSettings
