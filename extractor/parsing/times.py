"""Texts become moments in UTC, by the formats of the settings."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
from functools import cached_property, partial

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from extractor.errors import ExtractorError
from extractor.parsing import formats
from extractor.parsing.values import NUMBER
from extractor.parsing.zones import ABBREVIATIONS, Localizer

_NOT_A_TIME = np.datetime64("NaT", "us")
_OWN_ZONE = r"(?i)\d[T ]\d\d.*(Z|[+-]\d\d(:?\d\d)?)$"
_WITH_ZONE_NAME = r"^(?P<moment>.*?)\s*(?P<zone>[A-Za-z]+)$"
# What PostgreSQL and the clients' languages all know.
_FIRST, _END = np.datetime64("0001-01-01", "us"), np.datetime64("9999-12-31T23:59:59.999999", "us")
_SHOWN = 100
_DAY = np.timedelta64(1, "D")
# As milliseconds these are days of 1970 to 1973; as seconds, the years 1973 to 5138.
_RATHER_SECONDS = (1e8, 1e11)


@dataclass(frozen=True)
class TimeColumn:
    """A column of the file that has the time, or part of it."""

    column: int
    format: str


@dataclass(frozen=True)
class TimeReader:
    """Joins the texts of the time columns with blanks, and reads them."""

    columns: tuple[TimeColumn, ...]
    localizer: Localizer

    @cached_property
    def format(self) -> str:
        """The formats of all columns as one."""
        return " ".join(column.format for column in self.columns)

    def texts(self, columns: list[pa.Array]) -> pa.Array:
        """One text for each row; empty where each of its parts is."""
        parts = [_padded(columns[time.column], time.format) for time in self.columns]
        if len(parts) == 1:
            return parts[0]
        return pc.utf8_trim_whitespace(pc.binary_join_element_wise(*parts, " "))

    def read(self, texts: pa.Array) -> np.ndarray:
        """The moments (datetime64[us], UTC); NaT where a text is none.

        Raises:
            ExtractorError: pandas refuses the format.
        """
        times = self._read(texts)
        outside = ~np.isnat(times) & ((times < _FIRST) | (times > _END))
        times[outside] = _NOT_A_TIME
        return times

    def is_time(self, fields: list[str]) -> bool:
        """Whether a row with these fields begins like a row of data."""
        if any(time.column >= len(fields) or not _may_begin(fields[time.column]) for time in self.columns):
            return False
        parts = {time.column: pa.array([fields[time.column].strip()], pa.string()) for time in self.columns}
        texts = self.texts([parts.get(column, pa.nulls(1, pa.string())) for column in range(len(fields))])
        local = TimeReader(self.columns, Localizer(UTC, self.localizer.report))
        return not bool(np.isnat(local.read(texts))[0])

    def fault(self, text: str, setting: str) -> str:
        """Why `text` is no moment; `setting` is what the formats are called."""
        if not text:
            return "no timestamp"
        shown = repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")
        if self.format in (formats.UNIX_SECONDS, formats.UNIX_MILLISECONDS) and re.match(NUMBER, text):
            other = formats.UNIX_SECONDS if self.format == formats.UNIX_MILLISECONDS else formats.UNIX_MILLISECONDS
            return f"{shown} is out of range as {self.format} (setting {setting}; {other} would fit)"
        if self.format.endswith("%Z") and (zone := text.split()[-1].upper()) not in ABBREVIATIONS:
            return f"{shown} has a zone that is not known, or has several meanings: {zone}"
        plain = TimeReader(self.columns, Localizer(UTC, self.localizer.report))
        if not np.isnat(plain.read(pa.array([text]))[0]):
            return f"{shown} does not exist in {self.localizer.zone}, whose clock skips that hour (setting `timezone`)"
        return f"{shown} does not match {setting} {self.format!r}"

    def _read(self, texts: pa.Array) -> np.ndarray:
        if self.format in (formats.UNIX_SECONDS, formats.UNIX_MILLISECONDS):
            return _from_unix(texts, milliseconds=self.format == formats.UNIX_MILLISECONDS)
        if self.format == formats.ISO8601:
            return self._from_iso(texts)
        if self.format.endswith("%Z"):
            return self._with_zone_names(texts)
        times = _by_format(texts, self.format)
        return times if "%z" in self.format else self.localizer.to_utc(times)

    def _from_iso(self, texts: pa.Array) -> np.ndarray:
        aware = _mask(pc.match_substring_regex(texts, pattern=_OWN_ZONE))
        times = _parsed(texts, "ISO8601")
        if not aware.all():
            times[~aware] = self.localizer.to_utc(times[~aware])
        return times

    def _with_zone_names(self, texts: pa.Array) -> np.ndarray:
        parts = pc.extract_regex(texts, pattern=_WITH_ZONE_NAME)
        moments = pc.fill_null(pc.struct_field(parts, "moment"), "")
        names = pc.fill_null(pc.struct_field(parts, "zone"), "")
        times = _by_format(moments, self.format.removesuffix("%Z").rstrip())
        unknown = np.timedelta64("NaT", "h")
        distances = pd.Series(names.to_pylist(), dtype=object).map(
            lambda name: ABBREVIATIONS.get(name.upper(), unknown)
        )
        return np.asarray(times - distances.to_numpy("timedelta64[us]"))


def _may_begin(field: str) -> bool:
    """Whether a text may be a part of a time, at a glance."""
    return len(field) <= _SHOWN and any(character.isdigit() for character in field)


def _padded(texts: pa.Array, form: str) -> pa.Array:
    """The texts with the zeros in front that loggers leave out."""
    if not formats.padded_digits(form, 1):
        return texts
    lengths = pc.utf8_length(texts)
    for length in pc.unique(lengths).to_pylist():
        if length:
            padded = pc.utf8_lpad(texts, width=formats.padded_digits(form, length), padding="0")
            texts = pc.if_else(pc.equal(lengths, length), padded, texts)
    return texts


def _from_unix(texts: pa.Array, *, milliseconds: bool) -> np.ndarray:
    is_number = pc.match_substring_regex(texts, pattern=NUMBER)
    numbers = pc.cast(pc.if_else(is_number, texts, None), pa.float64()).to_numpy(zero_copy_only=False)
    with np.errstate(invalid="ignore"):
        micros = numbers * (1e3 if milliseconds else 1e6)
        bad = np.isnan(micros) | (np.abs(micros) > 2**62)
        if milliseconds:
            bad |= (numbers >= _RATHER_SECONDS[0]) & (numbers < _RATHER_SECONDS[1])
    times = np.where(bad, 0, np.rint(micros)).astype("int64").astype("datetime64[us]")
    times[bad] = _NOT_A_TIME
    return times


def _by_format(texts: pa.Array, form: str) -> np.ndarray:
    """Times by a format of `strptime`, and those that it leaves out: other fractions of seconds, and 24:00."""
    times = _parsed(texts, form)
    if pattern := formats.strict_pattern(form):
        times[~_mask(pc.match_substring_regex(texts, pattern=pattern))] = _NOT_A_TIME
    if "%S" in form:
        _without_leap_seconds(times, texts, form)
    for other in _other_fractions(form):
        _fill(times, texts, partial(_parsed, form=other))
    if "%H" in form:
        _fill(times, texts, partial(_midnights, form=form))
    return times


def _fill(times: np.ndarray, texts: pa.Array, read: Callable[[pa.Array], np.ndarray]) -> None:
    """Read those that are open in another way."""
    open_ = np.isnat(times)
    if open_.any():
        times[open_] = read(texts.filter(pa.array(open_)))


def _other_fractions(form: str) -> list[str]:
    if "%S.%f" in form or "%S,%f" in form:
        return [form.replace("%S.%f", "%S").replace("%S,%f", "%S")]
    return [form.replace("%S", "%S.%f")] if "%S" in form and "%f" not in form else []


def _without_leap_seconds(times: np.ndarray, texts: pa.Array, form: str) -> None:
    """Take out 23:59:60, which would become the first second of the next day."""
    suspects = np.flatnonzero(_mask(pc.match_substring(texts, "60")) & ~np.isnat(times))
    pattern = formats.hour_pattern(form)
    for place in suspects:
        found = pattern.search(texts[place].as_py())
        if found and found["second"] == "60":
            times[place] = _NOT_A_TIME


def _midnights(texts: pa.Array, form: str) -> np.ndarray:
    """24:00 is 0:00 of the next day."""
    pattern = formats.hour_pattern(form)
    days = [_day_of_midnight(text, pattern) for text in texts.to_pylist()]
    return np.asarray(_parsed(pa.array(days, pa.string()), form) + _DAY)


def _day_of_midnight(text: str, pattern: re.Pattern[str]) -> str | None:
    """The text with 00 in the place of 24, where nothing but zeros follows."""
    found = pattern.fullmatch(text)
    if found is None or found["hour"] != "24":
        return None
    if any(int(found[name]) for name in found.groupdict() if name != "hour"):
        return None
    return f"{text[: found.start('hour')]}00{text[found.end('hour') :]}"


def _parsed(texts: pa.Array, form: str) -> np.ndarray:
    series = pd.Series(texts.to_pandas(), dtype=object)
    try:
        times = pd.to_datetime(series, format=form, utc=True, errors="coerce")
    except ValueError as error:
        raise ExtractorError(f"timestamp_format {form!r}: {error}") from error
    return np.array(times.dt.tz_localize(None).to_numpy(), dtype="datetime64[us]")


def _mask(array: pa.Array) -> np.ndarray:
    return np.asarray(pc.fill_null(array, False).to_numpy(zero_copy_only=False), dtype=bool)
