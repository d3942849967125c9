"""A file's observations in temporary tables of the database, where SQL can count and merge them.

They are read chunk by chunk, and the database keeps what is too much for its memory on disk: a file of any size fits
into a job's memory.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any

import numpy as np
import pandas as pd
import pgpq
import pyarrow as pa
from sqlalchemy import (
    BigInteger,
    Boolean,
    Connection,
    Double,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
)
from sqlalchemy import Column as TableColumn

from extractor.errors import ExtractorError
from extractor.parsing.columns import Column
from extractor.store import copy_binary, observation
from extractor.storing.site_tables import SiteTables

_metadata = MetaData()

incoming = Table(
    "incoming",
    _metadata,
    TableColumn("number", Integer),
    TableColumn("sequence", BigInteger),
    TableColumn("result_time", observation.c.result_time.type),
    TableColumn("result_type", SmallInteger),
    TableColumn("result_number", Double),
    TableColumn("result_string", Text),
    TableColumn("result_boolean", Boolean),
    prefixes=["TEMPORARY"],
    postgresql_on_commit="DROP",
)
"""One row an observation: `number` is the column's (see `Incoming.columns`), a later row has a larger `sequence`.

Without a `result_type` it says that the file has no value at this time.
"""

incoming_column = Table(
    "incoming_column",
    _metadata,
    TableColumn("number", Integer),
    TableColumn("datastream_id", observation.c.datastream_id.type),
    TableColumn("parameters", observation.c.parameters.type),
    prefixes=["TEMPORARY"],
    postgresql_on_commit="DROP",
)
"""What all observations of one column have in common."""

_SCHEMA = pa.schema(
    {
        "number": pa.int32(),
        "sequence": pa.int64(),
        "result_time": pa.timestamp("us", "UTC"),
        "result_type": pa.int16(),
        "result_number": pa.float64(),
        "result_string": pa.string(),
        "result_boolean": pa.bool_(),
    }
)
_RESULTS = ("result_type", "result_number", "result_string", "result_boolean")


@dataclass
class Incoming:
    """What was read of a file so far. `with_blanks` are the positions where the file's blanks count too."""

    site: SiteTables
    with_blanks: Set[str] = frozenset()
    columns: dict[str, "IncomingColumn"] = field(default_factory=dict)
    """Position -> its column."""
    rows: int = 0
    """Rows of `incoming`."""
    count: int = 0
    """Those with a value."""
    distinct: bool = True
    """Whether it is known that no column has a time twice."""

    def arrays(self, chunks: Iterable[Sequence[Column]]) -> Iterator[list[pa.Array]]:
        """The chunks' observations, an array for each field of `incoming`."""
        for columns in chunks:
            _refuse_shared_positions(columns)
            for column in columns:
                values, blanks = len(column.values), len(self._blanks(column))
                if values or blanks:
                    self._take(column)
                if values:
                    yield self._values(column)
                if blanks:
                    yield self._without_value(column)

    def _take(self, column: Column) -> None:
        """Note the column, and whether its times are all later than those of the rows before."""
        self.site.check_position(column.position)
        known = self.columns.setdefault(column.position, IncomingColumn(len(self.columns), column.header))
        times = np.sort(np.concatenate([_times(column.values["result_time"].array), _times(self._blanks(column))]))
        self.distinct &= known.follows(times)
        self.count += len(column.values)

    def _blanks(self, column: Column) -> pd.DatetimeIndex:
        return column.blank_times if column.position in self.with_blanks else column.blank_times[:0]

    def _values(self, column: Column) -> list[pa.Array]:
        times = _times(column.values["result_time"].array)
        results = [_array(column.values, name) for name in _RESULTS]
        self.site.check_texts(column.position, times, results[_RESULTS.index("result_string")])
        return [*self._head(column, times), *results]

    def _without_value(self, column: Column) -> list[pa.Array]:
        times = _times(self._blanks(column))
        return [*self._head(column, times), *(pa.nulls(len(times), _SCHEMA.field(name).type) for name in _RESULTS)]

    def _head(self, column: Column, times: np.ndarray) -> list[pa.Array]:
        first, self.rows = self.rows, self.rows + len(times)
        return [
            pa.repeat(pa.scalar(self.columns[column.position].number, pa.int32()), len(times)),
            pa.array(np.arange(first, self.rows)),
            pa.array(times, pa.timestamp("us", "UTC")),
        ]


@dataclass
class IncomingColumn:
    """One column of the file."""

    number: int
    header: str
    newest: np.datetime64 | None = None

    def follows(self, times: np.ndarray) -> bool:
        """Whether these ascending times are all different, and later than all before them."""
        follow = self.newest is None or times[0] > self.newest
        self.newest = times[-1] if follow else max(times[-1], self.newest)
        return bool(follow and (times[1:] > times[:-1]).all())


def _refuse_shared_positions(columns: Sequence[Column]) -> None:
    for position, number in Counter(column.position for column in columns).items():
        if number > 1:
            raise ExtractorError(f"two columns of the file are both position {position}: give them different names")


def _times(array: pd.DatetimeIndex) -> np.ndarray:
    return np.asarray(array.tz_localize(None), "datetime64[us]")


def _array(values: pd.DataFrame, name: str) -> pa.Array:
    if name not in values:
        return pa.nulls(len(values), _SCHEMA.field(name).type)
    return pa.array(values[name], _SCHEMA.field(name).type, from_pandas=True)


def fill(connection: Connection, read: Incoming, chunks: Iterable[Sequence[Column]]) -> None:
    """Put all observations into the temporary table `incoming`, each time of a column once.

    Of two rows with one time the later one counts, and a row with a value more than one without.
    """
    _metadata.create_all(connection, checkfirst=False)
    if connection.dialect.name == "postgresql":
        copy_binary(connection, incoming.name, _encoded(read.arrays(chunks)))
        connection.exec_driver_sql("ANALYZE incoming")
    else:
        driver: Any = connection.connection.driver_connection
        for arrays in read.arrays(chunks):
            driver.executemany("INSERT INTO incoming VALUES (?, ?, ?, ?, ?, ?, ?)", _rows(arrays))
    if not read.distinct:
        _delete_earlier_rows(connection)
        with_value = select(func.count()).where(incoming.c.result_type.is_not(None))
        read.count = connection.execute(with_value).scalar_one()


def _encoded(chunks: Iterable[list[pa.Array]]) -> Iterator[bytes]:
    """PostgreSQL's binary format: a quarter of the time that texts take on both sides."""
    encoder = pgpq.ArrowToPostgresBinaryEncoder(_SCHEMA)
    yield encoder.write_header()
    for arrays in chunks:
        yield encoder.write_batch(pa.RecordBatch.from_arrays(arrays, schema=_SCHEMA))
    yield encoder.finish()


def _rows(arrays: list[pa.Array]) -> Iterable[tuple[object, ...]]:
    number, sequence, times, *results = arrays
    # As SQLAlchemy writes them.
    texts = times.cast(pa.timestamp("us")).cast(pa.string())
    return zip(repeat(number[0].as_py()), *map(_plain, (sequence, texts, *results)), strict=False)


def _plain(array: pa.Array) -> Iterable[object]:
    """Plain Python values; None for null."""
    if array.null_count == len(array):
        return repeat(None)
    if array.null_count or pa.types.is_string(array.type):
        return list(array.to_pylist())
    return list(array.to_numpy(zero_copy_only=False).tolist())


def _delete_earlier_rows(connection: Connection) -> None:
    order = func.row_number().over(
        partition_by=[incoming.c.number, incoming.c.result_time],
        order_by=[incoming.c.result_type.is_(None), incoming.c.sequence.desc()],
    )
    ranked = select(incoming.c.sequence, order.label("place")).subquery()
    earlier = select(ranked.c.sequence).where(ranked.c.place > 1)
    connection.execute(delete(incoming).where(incoming.c.sequence.in_(earlier)))


def describe_columns(connection: Connection, read: Incoming, datastream_ids: dict[str, int], origin: str) -> None:
    """Fill `incoming_column`."""
    rows = [
        {
            "number": column.number,
            "datastream_id": datastream_ids[position],
            "parameters": {"origin": origin, "column_header": column.header},
        }
        for position, column in read.columns.items()
    ]
    if rows:
        connection.execute(insert(incoming_column), rows)
