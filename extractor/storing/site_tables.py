"""What the tables of a site take: those that tsm-extractor or time.IO made, or an operator."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection, Inspector, Table, inspect

from extractor.errors import ExtractorError
from extractor.store import datastream, observation

_KEYS = {datastream: ("thing_id", "position"), observation: ("datastream_id", "result_time")}
_NUL = "\x00"


@dataclass(frozen=True)
class SiteTables:
    """How many characters the columns of text take; None: any number."""

    position: int | None
    name: int | None
    text: int | None

    def check_position(self, position: str) -> None:
        """Raise `ExtractorError` where the table has no room for the name of a column."""
        if self.position is not None and len(position) > self.position:
            raise ExtractorError(
                f"the column name {position[:40]!r}… has {len(position)} characters, and datastream.position takes "
                f"{self.position}: shorten it in the file, or give the columns `names`"
            )

    def check_texts(self, position: str, times: np.ndarray, texts: pa.Array) -> None:
        """Raise `ExtractorError` where a text cannot be stored; the message says which one."""
        if texts.null_count == len(texts):
            return
        _refuse(pc.match_substring(texts, _NUL), position, times, "the text holds NUL, which is no character")
        if self.text is not None:
            too_long = pc.greater(pc.utf8_length(texts), self.text)
            reason = f"the text has more than the {self.text} characters that observation.result_string takes"
            _refuse(too_long, position, times, f"{reason}; ALTER TABLE observation ALTER result_string TYPE text")


def _refuse(are_bad: pa.Array, position: str, times: np.ndarray, reason: str) -> None:
    bad = np.flatnonzero(are_bad.fill_null(False).to_numpy(zero_copy_only=False))
    if len(bad):
        raise ExtractorError(f"position {position}, {times[bad[0]].astype('datetime64[s]')}Z: {reason}")


def look_at(connection: Connection) -> SiteTables:
    """The tables of this datastore.

    Raises:
        ExtractorError: they lack a column or a unique constraint; the message says how to add it.
    """
    inspector = inspect(connection)
    lengths: dict[str, int | None] = {}
    for table, key in _KEYS.items():
        columns = {column["name"]: column["type"] for column in inspector.get_columns(table.name)}
        _check_columns(table, columns)
        _check_key(inspector, table, key)
        lengths |= {f"{table.name}.{name}": getattr(column, "length", None) for name, column in columns.items()}
    return SiteTables(lengths["datastream.position"], lengths["datastream.name"], lengths["observation.result_string"])


def _check_columns(table: Table, columns: dict[str, Any]) -> None:
    missing = [column.name for column in table.columns if column.name not in columns]
    if missing:
        raise ExtractorError(f"the table {table.name} of the datastore has no column {', '.join(missing)}: add it")


def _check_key(inspector: Inspector, table: Table, key: tuple[str, ...]) -> None:
    """A repeated parse finds its rows by the key; without a constraint it would store them twice."""
    unique: list[set[str | None]] = [set(one["column_names"]) for one in inspector.get_unique_constraints(table.name)]
    unique += [set(one["column_names"]) for one in inspector.get_indexes(table.name) if one["unique"]]
    unique += [set(inspector.get_pk_constraint(table.name)["constrained_columns"])]
    if set(key) not in unique:
        columns = ", ".join(key)
        raise ExtractorError(
            f"the table {table.name} of the datastore has no unique constraint on ({columns}): "
            f"CREATE UNIQUE INDEX ON {table.name} ({columns})"
        )
