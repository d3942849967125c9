"""What stands above the data: lines to leave out, and the header with the names of the columns."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from extractor.errors import ExtractorError
from extractor.parsing.dialect import RecordError
from extractor.parsing.layout import Layout
from extractor.parsing.lines import NUL, Block
from extractor.parsing.table import Target
from extractor.parsing.times import TimeReader


@dataclass(frozen=True)
class Head:
    """The names of the columns, and which of them are stored where."""

    layout: Layout
    names: tuple[str, ...]
    line: int | None
    """The header's line; None without one."""

    @property
    def width(self) -> int | None:
        """How many fields a row has; None where the first row says so."""
        return len(self.names) or None

    @property
    def width_from(self) -> str:
        """Which line has that width, for messages."""
        return "the header" if self.line else "the setting `names`"

    def check(self, width: int | None, width_from: str) -> None:
        """See that the columns that the settings name are there.

        Raises:
            ExtractorError: one is not.
        """
        for time in self.layout.times:
            if width is not None and time.column >= width:
                setting = self.layout.time_setting.replace("format", "column")
                raise ExtractorError(
                    f"{setting} is {time.column} (the first is 0), but there are {width} columns in {width_from}:"
                    " is the delimiter right?"
                )
        for column in self.layout.kept or ():
            if column not in self.names and not (isinstance(column, int) and 0 <= column < (width or column + 1)):
                raise ExtractorError(f"usecols has {column!r}, but there is no such column in {width_from}")

    def refuse_other(self, columns: Sequence[pa.Array], lines: np.ndarray) -> None:
        """See that no header with other columns follows, as where a logger began anew with another program.

        Raises:
            ExtractorError: there is one.
        """
        number = self.layout.times[0].column
        if self.line is None or not len(lines):
            return
        like_header = pc.equal(pc.utf8_trim_whitespace(columns[number]), self.names[number])
        for place in np.flatnonzero(like_header.to_numpy(zero_copy_only=False)).tolist():
            if _names([_cell(column[place].as_py()) for column in columns]) != self.names:
                raise ExtractorError(
                    f"line {lines[place]}: a header with other columns than that in line {self.line}:"
                    " split the file there"
                )

    @property
    def time_place(self) -> str:
        """Where in a row the time is, for messages."""
        number = self.layout.times[0].column
        return f", column {number}{f' ({self.names[number]})' if number < len(self.names) else ''}"

    def targets(self, width: int) -> list[Target]:
        """Which of the columns are stored, and where."""
        times = {time.column for time in self.layout.times}
        kept = self.layout.kept
        return [
            Target(number, self._name(number), self._positions(number))
            for number in range(width)
            if number not in times and (kept is None or number in kept or self._name(number) in kept)
        ]

    def _name(self, number: int) -> str:
        return self.names[number] if number < len(self.names) else str(number)

    def _positions(self, number: int) -> tuple[str, ...]:
        if not self.layout.names_are_positions or number >= len(self.names):
            return (str(number),)
        return (self.names[number], str(number)) if self.layout.duplicate and self.line else (self.names[number],)


def read_head(
    blocks: Iterator[Block], layout: Layout, times: TimeReader, left_out: Callable[[Sequence[str]], None]
) -> tuple[Head, Iterator[Block]]:
    """The head, and the lines behind it; `left_out` takes the lines that are neither.

    Raises:
        ExtractorError: the line that should be the header is not there, or is data.
    """
    blocks = _without_skipped(blocks, layout.skiprows, left_out) if layout.skiprows else blocks
    if layout.header is None:
        head = Head(layout, layout.names, None)
        head.check(head.width, head.width_from)
        return head, blocks
    first = next(blocks, Block(1, []))
    if layout.counts_all_lines and not first.texts:
        return Head(layout, (), None), blocks
    place = _header_place(first, layout)
    if place is None:
        raise ExtractorError(_no_header(first, layout))
    line = first.first + place
    if NUL in first.texts[place]:
        raise ExtractorError(f"line {line} should be the header, but it holds NUL characters: this is no text file")
    if re.fullmatch(r'\ufeff?"?sep=.?"?', first.texts[place].strip()):
        reason = "only tells Excel the delimiter: set header to the next line"
        raise ExtractorError(f"line {line} should be the header, but it {reason}")
    fields, taken = _header_fields(first.texts[place:], layout)
    if times.is_time(fields):
        raise ExtractorError(_is_data(first, layout, line))
    head = Head(layout, _names(fields), line)
    head.check(head.width, f"the header (line {line})")
    left_out(first.texts[:place])
    return head, chain([first.after(place + taken)], blocks)


def _without_skipped(
    blocks: Iterator[Block], skipped: frozenset[int], left_out: Callable[[Sequence[str]], None]
) -> Iterator[Block]:
    """The lines with empty ones in the place of those to leave out, so that the others keep their numbers."""
    lines = 0
    for block in blocks:
        lines = block.first + len(block.texts) - 1
        texts = list(block.texts)
        here = [index + 1 - block.first for index in skipped if block.first <= index + 1 < block.first + len(texts)]
        left_out([texts[place] for place in here])
        for place in here:
            texts[place] = ""
        yield Block(block.first, texts)
    if 0 < lines <= max(skipped):
        raise ExtractorError(
            f"skiprows leaves line {max(skipped)} out (the first is 0), but the file has {lines} lines"
        )


def _header_place(block: Block, layout: Layout) -> int | None:
    remaining = layout.header or 0
    for index, text in enumerate(block.texts):
        if layout.counts_all_lines:
            counts = block.first + index - 1 not in layout.skiprows
        else:
            counts = bool(text.strip()) and not layout.dialect.is_comment(text)
        if counts and remaining == 0:
            return index
        remaining -= counts
    return None


def _header_fields(texts: list[str], layout: Layout) -> tuple[list[str], int]:
    if layout.counts_all_lines and layout.dialect.comments:
        signs = "|".join(map(re.escape, layout.dialect.comments))
        texts = [re.sub(signs, "", texts[0]).strip() + "\n", *texts[1:100]]
    try:
        found = layout.dialect.record(texts, complete=True)
    except RecordError as error:
        raise ExtractorError(f"the header cannot be read: {error}") from None
    fields, taken = found or ([], 1)
    return [_cell(field) for field in fields], taken


def _cell(field: str) -> str:
    return " ".join(field.strip("\ufeff").split())


def _names(fields: list[str]) -> tuple[str, ...]:
    """Names as pandas makes them: `Unnamed: 3` without a text, `a.1` for the second `a`."""
    names: list[str] = []
    for number, field in enumerate(fields):
        name = base = field or f"Unnamed: {number}"
        count = 0
        while name in names:
            count += 1
            name = f"{base}.{count}"
        names.append(name)
    return tuple(names)


def _no_header(block: Block, layout: Layout) -> str:
    header = (layout.header or 0) + (not layout.counts_all_lines)
    if not any(text.strip() for text in block.texts):
        return f"the file is empty: it has no header in line {header}"
    counted = sum(bool(text.strip()) and not layout.dialect.is_comment(text) for text in block.texts)
    if layout.counts_all_lines:
        return f"header is {header} (the first line is 0), but the file has {len(block.texts)} lines"
    return (
        f"header is {header}, but the file has only {counted} lines"
        f" that are neither blank nor begin with a comment sign: it has no header in line {header}"
    )


def _is_data(block: Block, layout: Layout, line: int) -> str:
    header = (layout.header or 0) + (not layout.counts_all_lines)
    reason = f"header is {header}, which is line {line} of the file, but that line is data"
    if layout.counts_all_lines:
        return f"{reason}: write the header's line (the first is 0), or header null where the file has none"
    above = block.texts[line - block.first - 1] if line > block.first else ""
    if layout.dialect.is_comment(above):
        return f"{reason}: the line above begins with the comment sign and is not counted; comment null has it counted"
    if header < line:
        return f"{reason}: blank lines and lines that begin with a comment sign are not counted"
    return f"{reason}: where the file has no header, write timestamp_columns (time.IO's settings) and header null"
