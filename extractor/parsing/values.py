"""Texts become numbers, missing values or stay texts, each judged by itself, a column at a time."""

import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

NUMBER = r"^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"

# What pandas takes as missing, in lower case, and what loggers write for a sensor that does not answer.
MISSING_WORDS = (
    "", "#n/a", "#n/a n/a", "#na", "#value!", "#div/0!", "#ref!", "#num!", "#name?", "#null!", "-1.#ind", "-1.#qnan",
    "1.#ind", "1.#qnan", "1.#inf", "-1.#inf", "<na>", "n/a", "na", "null", "none", "nan", "-nan", "+nan", "inf", "+inf",
    "-inf", "infinity", "+infinity", "-infinity",
)  # fmt: skip
# A number of so many characters may have more digits than a double keeps.
_LONG = 16
_EXACT = 2**53


@dataclass(frozen=True)
class Values:
    """The values of one column; `numbers` is NaN and `texts` None where a value is not of that kind."""

    numbers: np.ndarray
    texts: np.ndarray | None
    infinite: int
    """How many were too large, and are missing now."""
    inexact: int
    """How many numbers do not have all digits of their text: leading zeros, or more than 15."""
    truths: np.ndarray | None = None
    """True or False where the value is one; None elsewhere, or where there are none at all."""


@dataclass(frozen=True)
class ValueReader:
    """How numbers and missing values are written."""

    decimal: str = "."
    thousands: str | None = None
    missing: tuple[str | float, ...] = ()
    """Texts and numbers that mean "no value", besides the usual words."""
    usual_missing: bool = True
    truths: bool = False
    """Whether `true` and `false` are truth values, not texts."""

    def read(self, texts: pa.Array) -> Values:
        """The values of texts without blanks around them."""
        present = pc.invert(self._is_missing(texts))
        written = self._plain(texts)
        is_number, numbers = _numbers(written, present)
        if self.decimal != "." and len(self._missing_numbers):
            # Some loggers write -999.00 whatever their decimal sign is.
            pointed = _numbers(texts, present)[1]
            present = pc.and_(present, pa.array(~np.isin(pointed, self._missing_numbers)))
        infinite = np.isinf(numbers)
        numbers[infinite | np.isin(numbers, self._missing_numbers)] = np.nan
        is_text = pc.and_not(present, is_number)
        truths = _truths(texts) if self.truths else None
        if truths is not None:
            is_text = pc.and_(is_text, pa.array(pd.isna(truths)))
        return Values(numbers, _texts(texts, is_text), int(infinite.sum()), _inexact(written, numbers), truths)

    def is_number(self, text: str) -> bool:
        """Whether one text is a number, or a word for a missing one."""
        if text in self.missing or (self.usual_missing and text.lower() in MISSING_WORDS):
            return True
        plain = text.replace(self.thousands or "", "").replace(self.decimal, ".")
        return re.match(NUMBER, plain) is not None

    @cached_property
    def _missing_numbers(self) -> np.ndarray:
        plain = self._plain(pa.array([str(value) for value in self.missing], pa.string()))
        either = [*plain.to_pylist(), *map(str, self.missing)]
        return np.array([float(text) for text in either if text is not None and re.fullmatch(NUMBER, text)], "float64")

    def _is_missing(self, texts: pa.Array) -> pa.Array:
        missing = pc.equal(texts, "")
        if self.usual_missing:
            words = pa.array(MISSING_WORDS, pa.string())
            missing = pc.is_in(pc.utf8_lower(texts), value_set=words)
        own = pa.array([str(value) for value in self.missing], pa.string())
        return pc.or_(missing, pc.is_in(texts, value_set=own)) if len(own) else missing

    def _plain(self, texts: pa.Array) -> pa.Array:
        """Numbers with a decimal point and nothing between thousands; what is no number here is null."""
        if self.thousands:
            grouped = pc.match_substring_regex(texts, pattern=self._grouped)
            ungrouped = pc.replace_substring_regex(texts, pattern=self._separator, replacement="")
            has_separator = pc.match_substring_regex(texts, pattern=self._separator)
            texts = pc.if_else(grouped, ungrouped, pc.if_else(has_separator, None, texts))
        if self.decimal != ".":
            # "1.234" is no number where the decimal sign is a comma.
            texts = pc.if_else(pc.match_substring(texts, "."), None, texts)
            texts = pc.replace_substring(texts, self.decimal, ".")
        return texts

    @cached_property
    def _separator(self) -> str:
        # A blank that does not break is a blank.
        return r"[ \x{a0}\x{202f}]" if self.thousands == " " else re.escape(self.thousands or "")

    @cached_property
    def _grouped(self) -> str:
        # 0.123 is no thousand.
        return rf"^[+-]?[1-9][0-9]{{0,2}}(?:{self._separator}[0-9]{{3}})+(?:{re.escape(self.decimal)}[0-9]*)?$"


def _numbers(written: pa.Array, present: pa.Array) -> tuple[pa.Array, np.ndarray]:
    """Which of the texts are numbers with a decimal point, and these numbers; NaN elsewhere."""
    is_number = pc.and_(present, pc.fill_null(pc.match_substring_regex(written, pattern=NUMBER), False))
    numbers = pc.cast(pc.if_else(is_number, written, None), pa.float64())
    return is_number, np.array(numbers.to_numpy(zero_copy_only=False))


def _texts(texts: pa.Array, is_text: pa.Array) -> np.ndarray | None:
    if not pc.any(is_text).as_py():
        return None
    return np.asarray(pc.if_else(is_text, texts, None).to_numpy(zero_copy_only=False), dtype=object)


def _truths(texts: pa.Array) -> np.ndarray | None:
    words = pc.index_in(pc.utf8_lower(texts), value_set=pa.array(["false", "true"]))
    if words.null_count == len(words):
        return None
    return np.asarray(pc.cast(words, pa.bool_()).to_numpy(zero_copy_only=False), dtype=object)


def _inexact(written: pa.Array, numbers: np.ndarray) -> int:
    is_number = ~np.isnan(numbers)
    zeros = pc.fill_null(pc.match_substring_regex(written, pattern="^[+-]?0[0-9]"), False)
    count = int((np.asarray(zeros.to_numpy(zero_copy_only=False), dtype=bool) & is_number).sum())
    long = pc.fill_null(pc.greater_equal(pc.utf8_length(written), _LONG), False)
    places = np.flatnonzero(np.asarray(long.to_numpy(zero_copy_only=False), dtype=bool) & is_number)
    return count + sum(_loses_digits(written[place].as_py(), numbers[place]) for place in places.tolist())


def _loses_digits(text: str, number: float) -> bool:
    digits = text.lstrip("+-")
    return digits.isdigit() and not digits.startswith("0") and int(digits) > _EXACT and int(digits) != int(abs(number))
