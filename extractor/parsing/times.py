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
_ISO_DATE = r"^\d{4}(?:[-/.]\d\d?[-/.]\d\d?|\d{4})"
_ISO_TIME = rf"(?:[T ][ \d:.]+(?:{formats.OFFSET})?)?$"
_OWN_ZONE = r"[T ].*[Z+-]"
_ISO_MIDNIGHT = r"^(.{8,10}[T ])24((?::?00){0,2}(?:\.0*)?(?: *[Z+-].*)?)$"
# "p", "pm", "p.m." and "p. m." as loggers write them, behind a digit.
_HALF_OF_DAY = r"(?i)(\d *)([ap])\.? ?m?\.?( |$)"
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

    @cached_property
    def _form(self) -> str:
        return formats.with_zone(self.format)

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
        return self._count([fields]) == 1

    def rows_among(self, records: list[list[str]]) -> int:
        """How many of the records have a time, and a value."""
        times = {time.column for time in self.columns}
        return self._count(
            [fields for fields in records if any(f.strip() for n, f in enumerate(fields) if n not in times)]
        )

    def _count(self, records: list[list[str]]) -> int:
        records = [
            fields
            for fields in records
            if all(time.column < len(fields) and _may_begin(fields[time.column]) for time in self.columns)
        ]
        if not records:
            return 0
        parts = [pa.array([fields[time.column].strip() for fields in records], pa.string()) for time in self.columns]
        columns = tuple(TimeColumn(number, time.format) for number, time in enumerate(self.columns))
        plain = TimeReader(columns, Localizer(UTC, self.localizer.report))
        return int((~np.isnat(plain.read(plain.texts(parts)))).sum())

    def fault(self, text: str, setting: str) -> str:
        """Why `text` is no moment; `setting` is what the formats are called."""
        if not text:
            return "no timestamp"
        shown = repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")
        if self.format in (formats.UNIX_SECONDS, formats.UNIX_MILLISECONDS) and re.match(NUMBER, text):
            other = formats.UNIX_SECONDS if self.format == formats.UNIX_MILLISECONDS else formats.UNIX_MILLISECONDS
            fits = TimeReader((TimeColumn(0, other),), self.localizer).read(pa.array([text]))
            advice = "" if np.isnat(fits[0]) else f"; {other} would fit"
            return f"{shown} is out of range as {self.format} (setting {setting}{advice})"
        if self._form.endswith("%Z") and (zone := text.split()[-1].upper()) not in ABBREVIATIONS:
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
        if self._form.endswith("%Z"):
            return self._with_zone_names(texts)
        times = _by_format(texts, self._form)
        return times if "%z" in self._form else self.localizer.to_utc(times)

    def _from_iso(self, texts: pa.Array) -> np.ndarray:
        aware = _mask(pc.match_substring_regex(texts, pattern=_OWN_ZONE))
        midnights = _mask(pc.match_substring_regex(texts, pattern=_ISO_MIDNIGHT))
        times = _parsed(pc.replace_substring_regex(texts, pattern=_ISO_MIDNIGHT, replacement=r"\100\2"), "ISO8601")
        times[midnights] += _DAY
        # pandas reads a year, or a year and a month, as the first day of it, and +200 as twenty hours.
        times[~_mask(pc.match_substring_regex(texts, pattern=_ISO_DATE + _ISO_TIME))] = _NOT_A_TIME
        if not aware.all():
            times[~aware] = self.localizer.to_utc(times[~aware])
        return times

    def _with_zone_names(self, texts: pa.Array) -> np.ndarray:
        parts = pc.extract_regex(texts, pattern=_WITH_ZONE_NAME)
        moments = pc.fill_null(pc.struct_field(parts, "moment"), "")
        names = pc.fill_null(pc.struct_field(parts, "zone"), "")
        times = _by_format(moments, self._form.removesuffix("%Z").rstrip())
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
    """Times by a format of `strptime`, and those that it leaves out: other fractions, `p.m.`, and 24:00."""
    times = _strictly(texts, form)
    for other in _other_fractions(form):
        _fill(times, texts, partial(_strictly, form=other))
    if "%S" in form:
        _take_out(times, texts, form, "second", ("60", "61"))
    if "%j" in form:
        _take_out(times, texts, form, "day", ("366",))
    if "%p" in form:
        _fill(times, texts, partial(_halves_of_days, form=form))
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


def _take_out(times: np.ndarray, texts: pa.Array, form: str, part: str, beyond: tuple[str, ...]) -> None:
    """Take out 23:59:60, and day 366 of a year with 365: pandas goes on into the next minute and year."""
    suspects = np.flatnonzero(_mask(pc.match_substring_regex(texts, "|".join(beyond))) & ~np.isnat(times))
    pattern = formats.hour_pattern(form)
    for place in suspects:
        found = pattern.search(texts[place].as_py())
        in_leap_year = part == "day" and times[place].astype("datetime64[D]").item().month == 12
        if found and found[part] in beyond and not in_leap_year:
            times[place] = _NOT_A_TIME


def _halves_of_days(texts: pa.Array, form: str) -> np.ndarray:
    return _strictly(pc.replace_substring_regex(texts, pattern=_HALF_OF_DAY, replacement=r"\1\2M\3"), form)


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
    if any(int(found[name]) for name in ("minute", "second") if name in found.groupdict()):
        return None
    return f"{text[: found.start('hour')]}00{text[found.end('hour') :]}"


def _strictly(texts: pa.Array, form: str) -> np.ndarray:
    times = _parsed(texts, form)
    if pattern := formats.strict_pattern(form):
        times[~_mask(pc.match_substring_regex(texts, pattern=pattern))] = _NOT_A_TIME
    return times


def _parsed(texts: pa.Array, form: str) -> np.ndarray:
    # These words are the present moment for pandas, whatever the format is.
    words = pc.is_in(texts, value_set=pa.array(["now", "today"]))
    series = pd.Series(pc.if_else(words, None, texts).to_pandas(), dtype=object)
    try:
        times = pd.to_datetime(series, format=form, utc=True, errors="coerce")
    except ValueError as error:
        raise ExtractorError(f"timestamp_format {form!r}: {error}") from error
    return np.array(times.dt.tz_localize(None).to_numpy(), dtype="datetime64[us]")


def _mask(array: pa.Array) -> np.ndarray:
    return np.asarray(pc.fill_null(array, False).to_numpy(zero_copy_only=False), dtype=bool)
