"""JSON files, with the settings of time.IO today: a list of records, each of which has a time and values."""

import io
import json
import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, BinaryIO

import numpy as np
import pandas as pd
import pyarrow as pa
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, model_validator

from extractor.errors import ExtractorError
from extractor.parsing import formats
from extractor.parsing.columns import Column
from extractor.parsing.parser import Parser
from extractor.parsing.report import OnBadRows, Report
from extractor.parsing.table import Table, Target
from extractor.parsing.times import TimeColumn, TimeReader
from extractor.parsing.values import ValueReader
from extractor.parsing.zones import Localizer, ZoneName, zone_of

_STRING = r'"(?:[^"\\]|\\.)*"'


class _Digits(str):
    """A number as it is written, for numbers of any length."""

    __slots__ = ()


class TimestampKey(BaseModel):
    """A key with the time, or part of it; `a.b` is key `b` in the object at key `a`."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)

    key: Annotated[str, Field(min_length=1)]
    format: Annotated[str, Field(min_length=1, validation_alias=AliasChoices("format", "timestamp_format"))]


class Normalizing(BaseModel):
    """How nested records become flat ones: arguments of `pandas.json_normalize`."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)

    record_path: str | list[str] | None = None
    meta: list[str | list[str]] | None = None
    meta_prefix: str | None = None
    record_prefix: str | None = None
    sep: str = "."
    max_level: Annotated[int, Field(ge=0)] | None = None


class JsonSettings(BaseModel):
    """Names and defaults are those of time.IO."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)

    timestamp_keys: Annotated[list[TimestampKey], Field(min_length=1)] = [
        TimestampKey(key="Datetime", format="%Y-%m-%dT%H:%M:%S")
    ]
    """Keys with the time, or parts of it, joined with blanks; `a.b` is the key `b` in the object at `a`."""
    timezone: ZoneName | None = None
    """Zone of times without one: `Europe/Berlin`, `+01:00`; left out, they are UTC."""
    comment: str | None = None
    """From this sign on, outside of texts, the rest of a line is left out."""
    pandas_json_normalize: Normalizing = Normalizing()
    """How nested records become flat: `record_path`, `meta`, `meta_prefix`, `record_prefix`, `sep`, `max_level`."""
    on_bad_rows: OnBadRows = "skip"
    """`skip` leaves records out whose time cannot be read, and counts them; `fail` stores nothing then."""

    @model_validator(mode="after")
    def _format(self) -> "JsonSettings":
        formats.check(" ".join(key.format for key in self.timestamp_keys))
        return self


class JsonParser(Parser[JsonSettings]):
    """Reads a list of records, one record, or a record a line; the whole file is in memory at once."""

    settings_model = JsonSettings

    def __init__(self, settings: JsonSettings) -> None:
        super().__init__(settings)
        self.report = Report(settings.on_bad_rows, row_name="record")

    def read(self, stream: BinaryIO) -> Iterator[Sequence[Column]]:
        """The records' columns.

        Raises:
            ExtractorError: the file is not JSON, or has no such keys.
        """
        frame = self._frame(_loaded(_text(stream), self.settings.comment))
        names = [str(name) for name in frame.columns]
        keys = self.settings.timestamp_keys
        if missing := [key.key for key in keys if key.key not in names] if len(frame) else []:
            raise ExtractorError(f"no record has the key {missing[0]} (timestamp_keys); there are {', '.join(names)}")
        if not len(frame):
            return
        columns = tuple(TimeColumn(names.index(key.key), key.format.strip()) for key in keys)
        times = TimeReader(columns, Localizer(zone_of(self.settings.timezone or "UTC"), self.report))
        table = Table(self.report, times, ValueReader(truths=True), "timestamp_keys")
        targets = [
            Target(number, name, (name,))
            for number, name in enumerate(names)
            if number not in {column.column for column in columns}
        ]
        texts = [
            pa.array([_as_text(value) for value in frame.iloc[:, number]], pa.string()) for number in range(len(names))
        ]
        yield table.columns(texts, np.arange(1, len(frame) + 1), targets, f", key {keys[0].key}")
        times.localizer.finish()

    def _frame(self, records: Any) -> pd.DataFrame:
        for number, record in enumerate(records if isinstance(records, list) else [records], 1):
            if not isinstance(record, dict) and (record is not None or records is None):
                shown = json.dumps(_with_numbers(record))[:40]
                raise ExtractorError(f"record {number} is no object of keys and values: {shown}")
        try:
            return pd.json_normalize(records, **self.settings.pandas_json_normalize.model_dump())
        except (KeyError, TypeError, NotImplementedError, ValueError, AttributeError) as error:
            reason = " ".join(str(error).split())
            raise ExtractorError(f"the records cannot be made flat (pandas_json_normalize): {reason}") from error


def _text(stream: BinaryIO) -> str:
    try:
        return io.TextIOWrapper(io.BytesIO(stream.read()), encoding="utf-8-sig").read()
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ExtractorError(f"line {line}: the file is not utf-8: byte {error.object[error.start]:#04x}") from error


def _loaded(text: str, comment: str | None) -> Any:
    if comment:
        text = re.sub(rf"({_STRING})|{re.escape(comment)}.*", lambda match: match[1] or "", text)
    if not text.strip():
        return []
    try:
        return _decoded(text)
    except json.JSONDecodeError as error:
        if error.msg != "Extra data":
            raise ExtractorError(f"line {error.lineno}: the file is not JSON: {error.msg}") from error
    # Not splitlines: JSON's texts may hold what that takes for the end of a line.
    return [_record(line, number) for number, line in enumerate(text.split("\n"), 1) if line.strip()]


def _record(line: str, number: int) -> Any:
    try:
        return _decoded(line)
    except json.JSONDecodeError as error:
        raise ExtractorError(f"line {number}: no record in JSON: {error.msg}") from error


def _decoded(text: str) -> Any:
    try:
        return json.loads(text, parse_int=_Digits, parse_float=_Digits, object_pairs_hook=_object)
    except RecursionError:
        raise ExtractorError("the file is JSON of too many levels") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ExtractorError(f"an object has the key {twice!r} twice, and one of its values would be lost")
    return found


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    return json.dumps(_with_numbers(value), ensure_ascii=False)


def _with_numbers(value: Any) -> Any:
    """What the file has, for what stays JSON."""
    if isinstance(value, _Digits):
        return json.loads(value)
    if isinstance(value, list):
        return [_with_numbers(item) for item in value]
    if isinstance(value, dict):
        return {key: _with_numbers(item) for key, item in value.items()}
    return value
