"""What is told about a file beside its observations: rows that were left out, and what was perhaps not meant so."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal

import numpy as np

from extractor.errors import ExtractorError
from extractor.logs import logger
from extractor.parsing.columns import RESULT_STRING, Column

OnBadRows = Literal["fail", "skip"]

NAMED_BAD_ROWS = 5
# With more of them it is the settings that do not fit the file.
MAX_BAD_SHARE = 0.1
NAMED_COLUMNS = 5
NAME_LENGTH = 30


class Note(Enum):
    """Something that is counted; its texts are for one and for several."""

    SAME_TIME = ("row had the same time as another", "rows had the same time as another")
    SHORT = ("row is shorter than the others", "rows are shorter than the others")
    CUT = ("row was cut at its comment sign", "rows were cut at their comment sign")
    PADDED = (
        r"row has blanks next to each other, taken for empty values (delimiter \s+ takes them as one)",
        r"rows have blanks next to each other, taken for empty values (delimiter \s+ takes them as one)",
    )
    UNREAD = (
        "row of data was left out by header, skiprows or skipfooter",
        "rows of data were left out by header, skiprows or skipfooter",
    )
    TOLD_APART = (
        "row lies in the hour that the clock repeats, told apart by the order of rows",
        "rows lie in the hour that the clock repeats, told apart by the order of rows",
    )
    AMBIGUOUS = (
        "row lies in the hour that the clock repeats, taken for the first time round",
        "rows lie in the hour that the clock repeats, taken for the first time round",
    )
    INFINITE = (
        "value is too large for a number and was taken as missing",
        "values are too large for a number and were taken as missing",
    )
    LEFT_OUT = ("bad row was left out", "bad rows were left out")

    def of(self, count: int) -> str:
        """`count` and the text for so many."""
        return f"{count:,} {self.value[0] if count == 1 else self.value[1]}"


@dataclass(frozen=True, order=True)
class BadRow:
    """A row that cannot be read: the line on which it begins (1-based), and where in it something is wrong."""

    line: int
    fault: str
    """Begins with `: ` or `, column …`."""


@dataclass
class _Values:
    """How many values a column has, and of which kinds."""

    header: str
    all: int = 0
    texts: int = 0
    inexact: int = 0


class Report:
    """Counts rows, and fails where they are too bad; one for each file."""

    def __init__(self, on_bad_rows: OnBadRows = "fail", row_name: str = "line") -> None:
        """`row_name` is what the numbers of bad rows count."""
        self.on_bad_rows = on_bad_rows
        self._row_name = row_name
        self.rows = 0
        self.without_time_of_day = False
        self._bad: list[BadRow] = []
        self._bad_count = 0
        self._notes: Counter[Note] = Counter()
        self._sentences: list[str] = []
        self._columns: dict[str, _Values] = {}
        self._times: list[np.ndarray] = []

    def note(self, note: Note, count: int) -> None:
        """Count `count` more of `note`."""
        if count:
            self._notes[note] += count

    def say(self, sentence: str) -> None:
        """Have the last line end with `sentence`."""
        self._sentences.append(sentence)

    def inexact(self, position: str, count: int) -> None:
        """Count values of a column that a number does not keep digit for digit."""
        if count:
            self._columns.setdefault(position, _Values(position)).inexact += count

    def add_rows(self, times: np.ndarray, bad: Sequence[BadRow] = ()) -> None:
        """Count rows by their times, and those that cannot be read.

        Raises:
            ExtractorError: there is a bad row, and it is to be a failure.
        """
        if bad and self.on_bad_rows == "fail":
            raise ExtractorError(self._named([min(bad)]))
        self.rows += len(times) + len(bad)
        self._bad_count += len(bad)
        self._bad.extend(sorted(bad)[: NAMED_BAD_ROWS - len(self._bad)])
        self._times.append(times.astype("int64"))

    def watch(self, chunks: Iterable[Sequence[Column]]) -> Iterator[Sequence[Column]]:
        """The same chunks; when they end, what was counted is judged.

        Raises:
            ExtractorError: too many rows are bad, or a file with rows has no observation.
        """
        for columns in chunks:
            for column in columns:
                values = self._columns.setdefault(column.position, _Values(column.header))
                values.header = column.header
                values.all += len(column.values)
                values.texts += int((column.values["result_type"] == RESULT_STRING).sum())
            yield columns
        self._judge()

    def _judge(self) -> None:
        for row in self._bad:
            logger.warning("left out: %s", self._named([row]))
        if self._bad_count > self.rows * MAX_BAD_SHARE:
            raise ExtractorError(
                f"{self._bad_count:,} of {self.rows:,} rows are bad, more than a tenth: {self._named(self._bad)}"
            )
        self.note(Note.LEFT_OUT, self._bad_count)
        shared = _shared(self._times)
        if self.without_time_of_day and shared > self.rows / 2:
            raise ExtractorError(
                f"{Note.SAME_TIME.of(shared)}, and the timestamp format has no time of day:"
                " name the column with it too (setting `timestamp_columns`)"
            )
        self.note(Note.SAME_TIME, shared)
        if not any(values.all for values in self._columns.values()):
            self._judge_nothing()

    def _named(self, bad: Sequence[BadRow]) -> str:
        return "; ".join(f"{self._row_name} {row.line}{row.fault}" for row in bad)

    def _judge_nothing(self) -> None:
        if self.rows:
            raise ExtractorError(
                f"no observation in {self.rows:,} rows: each value is missing (a wrong delimiter, na_values, or file?)"
            )
        self.say("the file has no rows")

    def sentences(self) -> list[str]:
        """What the last line of the log says after the number of observations."""
        return [*self._sentences, *(note.of(count) for note, count in self._notes.items()), *self._on_columns()]

    def _on_columns(self) -> Iterator[str]:
        told = [text for position, values in self._columns.items() for text in _told(position, values)]
        yield from told[:NAMED_COLUMNS]
        if len(told) > NAMED_COLUMNS:
            yield f"and the like in {len(told) - NAMED_COLUMNS} more columns"


def _told(position: str, values: _Values) -> Iterator[str]:
    header = values.header if len(values.header) <= NAME_LENGTH else f"{values.header[:NAME_LENGTH]}…"
    name = position if header in ("", position) else f"{position} ({header})"
    if values.texts:
        yield f"column {name}: {values.texts:,} of {values.all:,} values are text"
    if values.inexact:
        yield f"column {name}: {values.inexact:,} of {values.all:,} values lose digits as numbers"


def _shared(times: list[np.ndarray]) -> int:
    """How many of the times are there more than once."""
    every = np.concatenate(times) if times else np.empty(0, "int64")
    if (every[1:] > every[:-1]).all():
        return 0
    counts = np.unique(every, return_counts=True)[1]
    return int(counts[counts > 1].sum())
