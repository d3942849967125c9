"""How a CSV file is laid out: what both forms of settings become."""

from dataclasses import dataclass
from datetime import UTC, tzinfo

from extractor.parsing.dialect import Dialect
from extractor.parsing.report import OnBadRows
from extractor.parsing.times import TimeColumn
from extractor.parsing.values import ValueReader


@dataclass(frozen=True)
class Layout:
    """All that the reader needs to know; columns and lines count from 0."""

    dialect: Dialect
    header: int | None
    """Line of the header; None where the file has none."""
    counts_all_lines: bool
    """Whether blank lines and comments count for `header`."""
    times: tuple[TimeColumn, ...]
    time_setting: str
    """What the setting of the formats is called, for messages."""
    values: ValueReader
    encoding: str
    on_bad_rows: OnBadRows
    zone: tzinfo = UTC
    """Zone of times that name none."""
    skiprows: frozenset[int] = frozenset()
    """Physical lines to leave out; `header` counts from behind them."""
    skipfooter: int = 0
    names: tuple[str, ...] = ()
    """Names of the columns, where the file has no header."""
    names_are_positions: bool = False
    duplicate: bool = False
    """Whether each column is stored at its number too."""
    kept: tuple[int | str, ...] | None = None
    """Numbers or names of the columns to store; None: all."""
