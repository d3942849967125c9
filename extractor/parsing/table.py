"""Rows of texts become columns of observations: what all formats of files have in common."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from extractor.parsing.columns import Column
from extractor.parsing.report import NAMED_BAD_ROWS, BadRow, Note, Report
from extractor.parsing.times import TimeReader
from extractor.parsing.values import ValueReader

# Blanks, and what else may stand around a value without being part of it.
_AROUND = " \t\r\n\x03\x1a\xa0\ufeff"


@dataclass(frozen=True)
class Target:
    """Where a column of the file is stored, which may be several positions."""

    number: int
    header: str
    positions: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """Makes columns of rows, and tells the report about them."""

    report: Report
    times: TimeReader
    values: ValueReader
    time_setting: str
    """What the setting of the formats is called, for messages."""

    def columns(
        self,
        texts: Sequence[pa.Array],
        numbers: np.ndarray,
        targets: Sequence[Target],
        where: str,
        bad: Sequence[BadRow] = (),
    ) -> list[Column]:
        """The columns of some rows.

        `texts` has the fields column by column, `numbers` the number of each row, as messages name it, `where` the
        place of the time in a row, and `bad` the rows that are none.

        Raises:
            ExtractorError: a row is bad, and that is to be a failure.
        """
        if not len(numbers):
            self.report.add_rows(np.empty(0, "datetime64[us]"), bad)
            return []
        arrays = [pc.utf8_trim(column, characters=_AROUND) for column in texts]
        arrays, numbers = _with_values(arrays, numbers)
        written = self.times.texts(arrays)
        moments = self.times.read(written)
        good = ~np.isnat(moments)
        self.report.add_rows(moments[good], [*bad, *self._bad_times(written, numbers, good, where)])
        if not good.all():
            arrays = [array.filter(pa.array(good)) for array in arrays]
        index = pd.DatetimeIndex(moments[good]).tz_localize("UTC")
        return [column for target in targets for column in self._columns(target, arrays[target.number], index)]

    def _bad_times(self, written: pa.Array, numbers: np.ndarray, good: np.ndarray, where: str) -> list[BadRow]:
        bad = numbers[~good].tolist()
        texts = written.filter(pa.array(~good)).slice(0, NAMED_BAD_ROWS).to_pylist()
        faults = [f"{where}: {self.times.fault(text, self.time_setting)}" for text in texts]
        # The others are only counted.
        faults += [""] * (len(bad) - len(faults))
        return [BadRow(number, fault) for number, fault in zip(bad, faults, strict=True)]

    def _columns(self, target: Target, texts: pa.Array, times: pd.DatetimeIndex) -> list[Column]:
        values = self.values.read(texts)
        self.report.note(Note.INFINITE, values.infinite)
        for position in target.positions:
            self.report.inexact(position, values.inexact)
        return [
            Column.of(position, target.header, times, values.numbers, values.texts, values.truths)
            for position in target.positions
        ]


def _with_values(arrays: list[pa.Array], numbers: np.ndarray) -> tuple[list[pa.Array], np.ndarray]:
    """Without the rows that are empty in each column."""
    empty = pc.equal(arrays[0], "")
    if not pc.any(empty).as_py():
        return arrays, numbers
    for array in arrays[1:]:
        empty = pc.and_(empty, pc.equal(array, ""))
    kept = pc.invert(empty)
    return [array.filter(kept) for array in arrays], numbers[kept.to_numpy(zero_copy_only=False)]
