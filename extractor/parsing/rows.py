"""Lines as rows of equally many fields, with the line of each."""

import csv
import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from extractor.parsing.dialect import Dialect, RecordError
from extractor.parsing.lines import NUL, Block
from extractor.parsing.report import BadRow, Note, Report

Fields = list[str]


@dataclass(frozen=True)
class Rows:
    """Rows of a file, column by column. Blank lines and comments are left out."""

    columns: list[pa.Array]
    lines: np.ndarray
    """The line on which each row begins; the file's first line is 1."""
    bad: list[BadRow]


@dataclass
class RowReader:
    """Cuts blocks of lines into rows of `width` fields; without a width, the first row has it."""

    dialect: Dialect
    report: Report
    width: int | None
    width_from: str
    """Which line has that width, for messages."""
    is_number: Callable[[str], bool]
    looks_like_row: Callable[[Fields], bool]
    _bad: list[BadRow] = field(default_factory=list)

    def read(self, blocks: Iterator[Block]) -> Iterator[Rows]:
        """All rows. A record that goes on in the next block is read with that."""
        rest = Block(1, [])
        for block in blocks:
            joined = Block(rest.first, rest.texts + block.texts) if rest.texts else block
            rows, rest = self._rows(joined, complete=False)
            yield rows
        if rest.texts:
            yield self._rows(rest, complete=True)[0]

    def _rows(self, block: Block, *, complete: bool) -> tuple[Rows, Block]:
        columns = self.dialect.plain_columns(block.texts, self.width) if self.width else None
        if columns is not None:
            return Rows(columns, np.arange(block.first, block.first + len(block.texts)), []), block.after(None)
        with _paused_collector():
            return self._careful_rows(block, complete=complete)

    def _careful_rows(self, block: Block, *, complete: bool) -> tuple[Rows, Block]:
        records, lines, rest = self._records(block, complete=complete)
        lengths = np.fromiter(map(len, records), "int64", len(records))
        if self.width is None and lengths.any():
            first = int(np.flatnonzero(lengths)[0])
            self.width, self.width_from = int(lengths[first]), f"line {lines[first]}"
        if (lengths != self.width).any():
            records, lines = self._fitted(records, lines)
        bad, self._bad = self._bad, []
        columns = [pa.array(column, pa.string()) for column in zip(*records, strict=True)]
        return Rows(columns, lines, bad), rest

    def _records(self, block: Block, *, complete: bool) -> tuple[list[Fields], np.ndarray, Block]:
        texts = self._texts(block)
        lines = np.arange(block.first, block.first + len(texts))
        try:
            records = list(self.dialect.records(texts))
        except csv.Error:
            records = []
        if len(records) != len(texts):
            records, lines, texts, rest = self._one_by_one(block, complete=complete)
        else:
            rest = block.after(None)
        self._cut_remarks(records, texts)
        if self.dialect.delimiter == " ":
            self.report.note(Note.PADDED, sum("" in fields[:-1] for fields in records))
        return records, lines, rest

    def _texts(self, block: Block) -> list[str]:
        """The block's lines, with empty ones in the place of remarks and of lines that hold NUL."""
        texts = ["" if self.dialect.is_comment(text) else text for text in block.texts]
        for index in [index for index, text in enumerate(texts) if NUL in text]:
            self._is_bad(
                block.first + index, f": {texts[index].count(NUL)} NUL characters, as of a file that was cut off"
            )
            texts[index] = ""
        return texts

    def _one_by_one(self, block: Block, *, complete: bool) -> tuple[list[Fields], np.ndarray, list[str], Block]:
        """As slow as it is careful, for blocks where a record has several lines, or a quote is wrong."""
        records, lines, texts = [], [], []
        index = 0
        while index < len(block.texts):
            text = block.texts[index]
            taken = 1
            if text.strip() and not self.dialect.is_comment(text) and NUL not in text:
                try:
                    found = self.dialect.record(block.texts[index : index + 100], complete=complete)
                    if found is None:
                        break
                    fields, taken = found
                    self._check_continuation(block.texts[index + 1 : index + taken])
                    records.append(fields)
                    lines.append(block.first + index)
                    texts.append(text if taken == 1 else "")
                except RecordError as error:
                    taken = 1
                    self._is_bad(block.first + index, f": {error}")
            index += taken
        return records, np.array(lines, "int64"), texts, block.after(index)

    def _check_continuation(self, texts: list[str]) -> None:
        """A quoted text may have several lines, but hardly one that is a row of its own."""
        for text in texts:
            fields = text.rstrip("\r\n").split(self.dialect.delimiter)
            if self.looks_like_row([part.strip().strip('"') for part in fields]):
                raise RecordError("a quote is opened and not closed, as the next line is a row")

    def _cut_remarks(self, records: list[Fields], texts: list[str]) -> None:
        signs = self.dialect.comments
        for index in sorted({index for sign in signs for index, text in enumerate(texts) if sign in text}):
            width = self.width or len(records[index])
            fields = self.dialect.without_remark(texts[index], records[index], width, self.is_number)
            if fields is not None:
                records[index] = fields
                self.report.note(Note.CUT, 1)

    def _fitted(self, records: list[Fields], lines: np.ndarray) -> tuple[list[Fields], np.ndarray]:
        """The records with `width` fields each; those that cannot have it are bad rows."""
        fitted = [self._fit(fields, line) for fields, line in zip(records, lines.tolist(), strict=True)]
        kept = [index for index, fields in enumerate(fitted) if fields is not None]
        return [fields for fields in fitted if fields is not None], lines[kept]

    def _fit(self, fields: Fields, line: int) -> Fields | None:
        width = self.width or 0
        if not any(map(str.strip, fields)):
            return None
        if len(fields) == width:
            return fields
        if len(fields) > width:
            if not any(map(str.strip, fields[width:])):
                return fields[:width]
            self._is_bad(line, f": {len(fields)} fields, but {self.width_from} has {width}")
            return None
        if self.dialect.hides_empty_fields:
            delimiter = "blanks" if self.dialect.delimiter == " " or self.dialect.by_blanks else "several signs"
            reason = f"with {delimiter} as delimiter it cannot be known which one is missing"
            self._is_bad(line, f": {len(fields)} fields, but {self.width_from} has {width}, and {reason}")
            return None
        self.report.note(Note.SHORT, 1)
        return fields + [""] * (width - len(fields))

    def _is_bad(self, line: int, reason: str) -> None:
        self._bad.append(BadRow(line, reason))


@contextmanager
def _paused_collector() -> Iterator[None]:
    """Without the search for cycles of objects: a list for each row has none, and the search doubles the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
