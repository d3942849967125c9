"""CsvParser: a delimited text file becomes one series of observations for each column."""

import codecs
import csv
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, field_validator

from extractor.errors import ExtractorError
from extractor.logs import logger

CHUNK_ROWS = 100_000

RESULT_NUMBER = 0
RESULT_STRING = 1


class CsvSettings(BaseModel):
    """How to read one thing's files; the names and defaults are tsm-extractor's."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    delimiter: Annotated[str, Field(min_length=1)]
    """What separates two columns; more than one character is a regular expression."""
    header: Annotated[int, Field(ge=1)]
    """1-based line of the header, counted as pandas does: without blank lines and comment lines."""
    timestamp_column: Annotated[int, Field(ge=0)]
    """0-based index of the column with the time of each row."""
    timestamp_format: Annotated[str, Field(min_length=1)]
    """`strptime` format; a time without a zone is UTC."""
    comment: Annotated[str, Field(min_length=1, max_length=1)] | None = "#"
    """From this character on, the rest of a line is not read."""
    decimal: Annotated[str, Field(min_length=1, max_length=1)] = "."
    na_values: str | list[str] | None = None
    """Texts that mean "no value", besides the usual ones (empty, `NaN`, `NA`, …)."""
    encoding: str = "utf-8"
    skipfooter: Annotated[int, Field(ge=0)] = 0
    """Lines at the end of the file that are not data."""
    engine: Literal["c", "python"] | None = None
    """pandas' reader; without it the fast one wherever the other settings allow."""

    @field_validator("encoding")
    @classmethod
    def _is_known(cls, encoding: str) -> str:
        try:
            codecs.lookup(encoding)
        except LookupError:
            raise ValueError(f"no encoding is called {encoding!r}") from None
        return encoding


@dataclass(frozen=True)
class Column:
    """Observations of one column of the file.

    `values` has the columns `result_time` (UTC), `result_type`, `result_number` (float or NaN) and `result_string`
    (text or None).
    """

    position: str
    header: str
    values: pd.DataFrame


def read(path: Path, settings: CsvSettings) -> Iterator[list[Column]]:
    """The file's columns, some ten thousand rows at a time, so that a file of any size fits into a job's memory.

    Raises:
        ExtractorError: the file does not fit the settings; where it is one row, its line and column are named.
    """
    try:
        for frame in _frames(path, settings):
            yield _columns(frame, path, settings)
    except (pd.errors.EmptyDataError, StopIteration):
        raise ExtractorError(f"the file has no header in line {settings.header}") from None
    except (pd.errors.ParserError, csv.Error) as error:
        raise ExtractorError(f"the file cannot be parsed: {' '.join(str(error).split())}") from error
    except UnicodeDecodeError as error:
        raise ExtractorError(
            f"the file is not {settings.encoding} (setting `encoding`): byte {error.object[error.start]:#04x}"
        ) from error


def _frames(path: Path, settings: CsvSettings) -> Iterator[pd.DataFrame]:
    arguments: dict[str, Any] = {
        "sep": settings.delimiter,
        "header": settings.header - 1,
        # A row with one field too many is not a row with a name in front.
        "index_col": False,
        # Each value is judged by itself: one "error" in a year of numbers must not make texts of them all.
        "dtype": str,
        "comment": settings.comment,
        "na_values": settings.na_values,
        "encoding": settings.encoding,
        "engine": settings.engine or ("python" if settings.skipfooter or len(settings.delimiter) > 1 else "c"),
    }
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", pd.errors.ParserWarning)
        if settings.skipfooter:
            yield pd.read_csv(path, skipfooter=settings.skipfooter, **arguments)
        else:
            with pd.read_csv(path, chunksize=CHUNK_ROWS, **arguments) as frames:
                yield from frames
    for text in sorted({str(warning.message) for warning in caught}):
        logger.warning("%s", " ".join(text.split()))


def _columns(frame: pd.DataFrame, path: Path, settings: CsvSettings) -> list[Column]:
    if settings.timestamp_column >= frame.shape[1]:
        raise ExtractorError(
            f"timestamp_column is {settings.timestamp_column} (the first is 0), but there are {frame.shape[1]} columns"
        )
    frame = frame[frame.notna().any(axis=1)]
    times = _times(frame, path, settings)
    return [
        Column(
            str(position), str(frame.columns[position]), _observations(times, frame.iloc[:, position], settings.decimal)
        )
        for position in range(frame.shape[1])
        if position != settings.timestamp_column
    ]


def _times(frame: pd.DataFrame, path: Path, settings: CsvSettings) -> pd.Series:
    texts = frame.iloc[:, settings.timestamp_column]
    try:
        times = pd.to_datetime(texts, format=settings.timestamp_format, utc=True, errors="coerce")
    except ValueError as error:
        raise ExtractorError(f"timestamp_format {settings.timestamp_format!r}: {error}") from error
    bad = times.isna()
    if bad.any():
        row = int(bad[bad].index[0])
        name = frame.columns[settings.timestamp_column]
        where = f"line {line_of_row(path, row, settings)}, column {settings.timestamp_column} ({name})"
        value = texts.loc[row]
        if pd.isna(value):
            raise ExtractorError(f"{where}: no timestamp")
        raise ExtractorError(f"{where}: {value!r} does not match timestamp_format {settings.timestamp_format!r}")
    return times


def _observations(times: pd.Series, texts: pd.Series, decimal: str) -> pd.DataFrame:
    present = texts.notna()
    times, texts = times[present], texts[present]
    written = texts
    if decimal != ".":
        # "1.234" is no number where the decimal sign is a comma.
        written = texts.where(~texts.str.contains(".", regex=False)).str.replace(decimal, ".", regex=False)
    numbers = pd.to_numeric(written, errors="coerce").astype("float64")
    is_number = numbers.notna()
    return pd.DataFrame(
        {
            "result_time": times,
            "result_type": is_number.map({True: RESULT_NUMBER, False: RESULT_STRING}).astype("int16"),
            "result_number": numbers,
            "result_string": texts.astype(object).where(~is_number, None),
        }
    )


def line_of_row(path: Path, row: int, settings: CsvSettings) -> int:
    """1-based line of the file on which data row `row` (0-based) begins.

    pandas counts rows without blank lines and comments; who opens the file in an editor counts lines.
    """
    delimiter = settings.delimiter if len(settings.delimiter) == 1 else ","
    remaining = settings.header + row
    with path.open(encoding=settings.encoding, newline="") as file:
        records = csv.reader(file, delimiter=delimiter)
        begins = 1
        for record in records:
            is_comment = settings.comment is not None and bool(record) and record[0].startswith(settings.comment)
            if any(record) and not is_comment:
                if remaining == 0:
                    break
                remaining -= 1
            begins = records.line_num + 1
    return begins
