"""The numbers that quality control looks at, read by stretches of time, and the labels that it writes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from sqlalchemy import (
    JSON,
    ColumnClause,
    ColumnElement,
    Connection,
    Engine,
    String,
    cast,
    column,
    func,
    inspect,
    or_,
    select,
    table,
    text,
    type_coerce,
)

from extractor.errors import ExtractorError
from extractor.parsing.columns import RESULT_NUMBER
from extractor.quality.settings import SeriesKey
from extractor.store import Thing, copy_binary, datastream, lock, observation, thing

_time = observation.c.result_time

# PostgreSQL's binary COPY (its manual, "COPY", "Binary Format"): a header, then each row as its number of fields and
# each field with its length in front. Times are microseconds since 2000.
_COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_END = b"\xff\xff"
_COPY_EPOCH = np.datetime64("2000-01-01", "us")
_COPY_READ = np.dtype([("count", ">i2"), ("l1", ">i4"), ("time", ">i8"), ("l2", ">i4"), ("number", ">f8")])
_COPY_WRITTEN = np.dtype([*_COPY_READ.descr, ("l3", ">i4"), ("label", ">i4")])


@dataclass(frozen=True)
class Datastream:
    """A series in the datastore."""

    id: int
    thing_id: int


@dataclass(frozen=True)
class Numbers:
    """Numbers of a datastream in the order of time (UTC, in microseconds).

    `ids` are those of the rows, where the datastore is SQLite: there they are the quickest way back to a row.
    """

    times: np.ndarray
    values: np.ndarray
    ids: np.ndarray

    def __len__(self) -> int:
        return len(self.times)

    def where(self, chosen: np.ndarray) -> "Numbers":
        """Those that a mask chooses."""
        return Numbers(self.times[chosen], self.values[chosen], self.ids[chosen])


def find(connection: Connection, own: Thing, series: Mapping[str, SeriesKey]) -> dict[str, Datastream]:
    """Name -> datastream.

    Raises:
        ExtractorError: the datastore has no such series; the message names it and says what there is.
    """
    return {name: _find(connection, own, key) for name, key in series.items()}


def one_name_for_each(streams: Mapping[str, Datastream]) -> dict[str, str]:
    """Name -> the first name of the same datastream: settings may name one in several ways."""
    first: dict[Datastream, str] = {}
    return {name: first.setdefault(stream, name) for name, stream in streams.items()}


def _find(connection: Connection, own: Thing, key: SeriesKey) -> Datastream:
    if key.sta_stream_id is not None:
        return _find_linked(connection, key.sta_stream_id)
    uuid = key.thing_uuid or own.uuid
    rows = connection.execute(
        select(datastream.c.position, datastream.c.id, thing.c.id)
        .join_from(datastream, thing)
        .where(thing.c.uuid == uuid)
        .order_by(datastream.c.position)
    ).all()
    for position, identifier, thing_id in rows:
        if position == key.position:
            return Datastream(identifier, thing_id)
    known = ", ".join(position for position, _, _ in rows) or "none yet: parse a file first"
    raise ExtractorError(f"wrong QAQC settings: there is no {key}; thing {uuid} has the positions {known}")


def _find_linked(connection: Connection, sta_stream_id: int) -> Datastream:
    """By time.IO's view of its sensor management: which datastream of which thing a device's property is."""
    schema = "public" if connection.dialect.name == "postgresql" else None
    if not inspect(connection).has_table("sms_datastream_link", schema=schema):
        raise ExtractorError(
            f"wrong QAQC settings: sta_stream_id {sta_stream_id} means nothing here, because the datastore has no "
            "sms_datastream_link: give thing_uuid and position instead"
        )
    columns: list[ColumnClause[Any]] = [column(name) for name in ("device_property_id", "datastream_id", "thing_id")]
    link = table("sms_datastream_link", *columns, schema=schema)
    row = connection.execute(
        select(datastream.c.id, datastream.c.thing_id)
        .join(thing, thing.c.id == datastream.c.thing_id)
        .join(link, link.c.datastream_id == datastream.c.id)
        .where(cast(link.c.thing_id, String) == cast(thing.c.uuid, String), link.c.device_property_id == sta_stream_id)
    ).first()
    if row is None:
        raise ExtractorError(
            f"wrong QAQC settings: sms_datastream_link leads from sta_stream_id {sta_stream_id} to no datastream here"
        )
    return Datastream(row.id, row.thing_id)


def _numbers_of(stream: Datastream) -> tuple[ColumnElement[bool], ...]:
    return observation.c.datastream_id == stream.id, observation.c.result_type == RESULT_NUMBER


def unlabelled(connection: Connection, stream: Datastream) -> tuple[datetime, datetime] | None:
    """The times of the oldest and the newest number without a label."""
    # TSM's own tools write JSON's null where we write none.
    quality = observation.c.result_quality
    return _ends(connection, stream, or_(quality.is_(None), quality == JSON.NULL))


def between(
    connection: Connection, stream: Datastream, start: datetime | None, end: datetime | None
) -> tuple[datetime, datetime] | None:
    """The times of the oldest and the newest number from `start` to `end`, both included."""
    limits = []
    if start is not None:
        limits.append(_time >= start)
    if end is not None:
        limits.append(_time <= end)
    return _ends(connection, stream, *limits)


def _ends(
    connection: Connection, stream: Datastream, *conditions: ColumnElement[bool]
) -> tuple[datetime, datetime] | None:
    found = connection.execute(select(func.min(_time), func.max(_time)).where(*_numbers_of(stream), *conditions)).one()
    return None if found[0] is None else (_utc(found[0]), _utc(found[1]))


def nth_after(connection: Connection, stream: Datastream, time: datetime, n: int) -> datetime | None:
    """The time of the `n`-th number after `time`; None where there are fewer."""
    return _nth(connection, stream, n, _time > time, _time)


def nth_before(connection: Connection, stream: Datastream, time: datetime, n: int) -> datetime | None:
    """The time of the `n`-th number before `time`; of the first one where there are fewer; None before the first."""
    found = _nth(connection, stream, n, _time < time, _time.desc())
    if found is None:
        ends = _ends(connection, stream, _time < time)
        found = None if ends is None else ends[0]
    return found


def _nth(
    connection: Connection, stream: Datastream, n: int, condition: ColumnElement[bool], order: Any
) -> datetime | None:
    statement = select(_time).where(*_numbers_of(stream), condition).order_by(order).offset(n - 1).limit(1)
    found = connection.execute(statement).scalar_one_or_none()
    return None if found is None else _utc(found)


def count(connection: Connection, stream: Datastream, first: datetime, last: datetime) -> int:
    """How many numbers there are from `first` to `last`."""
    statement = select(func.count()).where(*_numbers_of(stream), _time.between(first, last))
    return connection.execute(statement).scalar_one()


def _utc(time: datetime) -> datetime:
    # SQLite knows no zone: what lies there is UTC.
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def read(connection: Connection, stream: Datastream, first: datetime, last: datetime) -> Numbers:
    """The numbers from `first` to `last`, both included."""
    if connection.dialect.name == "postgresql":
        return _read_postgresql(connection, stream, first, last)
    statement = (
        select(type_coerce(_time, String), observation.c.result_number, observation.c.id)
        .where(*_numbers_of(stream), _time.between(first, last), observation.c.result_number.is_not(None))
        .order_by(_time)
    )
    rows = connection.execute(statement).all()
    times, values, ids = zip(*rows, strict=True) if rows else ((), (), ())
    return Numbers(
        np.array(times, dtype="datetime64[us]"), np.array(values, dtype=float), np.array(ids, dtype=np.int64)
    )


def _read_postgresql(connection: Connection, stream: Datastream, first: datetime, last: datetime) -> Numbers:
    """By COPY: a Python object for each number would take most of the time."""
    statement = (
        "COPY (SELECT result_time, result_number FROM observation WHERE datastream_id = %s AND result_type = %s"
        " AND result_time BETWEEN %s AND %s AND result_number IS NOT NULL ORDER BY result_time)"
        " TO STDOUT (FORMAT binary)"
    )
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(statement, (stream.id, RESULT_NUMBER, first, last)) as copy:
        received = b"".join(copy)
    rows = np.frombuffer(received[len(_COPY_HEADER) : -len(_COPY_END)], _COPY_READ)
    times = _COPY_EPOCH + rows["time"].astype("timedelta64[us]")
    return Numbers(times, rows["number"].astype(float), np.zeros(len(rows), dtype=np.int64))


def write(engine: Engine, stream: Datastream, numbers: Numbers, labels: np.ndarray, texts: list[str]) -> int:
    """Give the numbers the labels at `labels` in `texts`, all or none; returns how many were written.

    A number that was replaced while it was being checked gets no label: this one was given to the old number.
    """
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            return _write_postgresql(connection, stream, numbers, labels, texts)
        return _write_sqlite(connection, numbers, labels, texts)


def _write_postgresql(
    connection: Connection, stream: Datastream, numbers: Numbers, labels: np.ndarray, texts: list[str]
) -> int:
    connection.exec_driver_sql(
        "CREATE TEMPORARY TABLE checked (result_time timestamptz, result_number double precision, label integer)"
        " ON COMMIT DROP"
    )
    rows = np.zeros(len(numbers), _COPY_WRITTEN)
    rows["count"], rows["l1"], rows["l2"], rows["l3"] = 3, 8, 8, 4
    rows["time"], rows["number"] = (numbers.times - _COPY_EPOCH).astype(np.int64), numbers.values
    rows["label"] = labels
    copy_binary(connection, "checked", [_COPY_HEADER, rows.tobytes(), _COPY_END])
    lock(connection, stream.thing_id)
    return connection.execute(
        text(
            "UPDATE observation SET result_quality = (CAST(:texts AS jsonb[]))[checked.label + 1] FROM checked"
            " WHERE observation.datastream_id = :stream AND observation.result_type = :number"
            " AND observation.result_time BETWEEN :first AND :last"
            " AND observation.result_time = checked.result_time AND observation.result_number = checked.result_number"
        ),
        {
            "texts": texts,
            "stream": stream.id,
            "number": RESULT_NUMBER,
            "first": numbers.times[0].astype(datetime).replace(tzinfo=UTC),
            "last": numbers.times[-1].astype(datetime).replace(tzinfo=UTC),
        },
    ).rowcount


def _write_sqlite(connection: Connection, numbers: Numbers, labels: np.ndarray, texts: list[str]) -> int:
    driver: Any = connection.connection.driver_connection
    rows: Iterable[tuple[str, int, float]] = zip(
        (texts[label] for label in labels.tolist()), numbers.ids.tolist(), numbers.values.tolist(), strict=True
    )
    statement = "UPDATE observation SET result_quality = ? WHERE id = ? AND result_number = ?"
    return int(driver.executemany(statement, rows).rowcount)
