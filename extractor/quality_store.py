"""Which observations quality control looks at, and how their labels are written."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from sqlalchemy import JSON, ColumnElement, Connection, Engine, Row, func, or_, select, text

from extractor.csv_parser import CHUNK_ROWS, RESULT_NUMBER
from extractor.store import Thing, copy_csv, datastream_ids, lock, observation


@dataclass(frozen=True)
class Series:
    """Numbers of one datastream in the order of time: the unchecked stretch, with its context before it.

    `rows` has the columns `id` and `number` over a time index (UTC, without zone); from
    `first_unchecked` on, labels are due.
    """

    rows: pd.DataFrame
    first_unchecked: pd.Timestamp


def load(engine: Engine, thing: Thing, positions: set[str], window: int | pd.Timedelta) -> dict[str, Series]:
    """Position -> series, for those of the thing's datastreams that have numbers without a label.

    The unchecked stretch goes from the oldest number without a label to the newest one; what lies between is checked
    again, because late data may change how its neighbours look. The context lies before the oldest one.
    """
    with engine.connect() as connection:
        found: dict[str, Series] = {}
        for position, identifier in sorted(datastream_ids(connection, thing.id, positions).items()):
            series = _load_datastream(connection, identifier, window)
            if series is not None:
                found[position] = series
    return found


def _load_datastream(connection: Connection, identifier: int, window: int | pd.Timedelta) -> Series | None:
    time = observation.c.result_time
    numbers = (observation.c.datastream_id == identifier, observation.c.result_type == RESULT_NUMBER)
    oldest, newest = connection.execute(select(func.min(time), func.max(time)).where(*numbers, _unlabelled())).one()
    if oldest is None:
        return None
    start = oldest
    if isinstance(window, int):
        before = select(time).where(*numbers, time < oldest).order_by(time.desc()).limit(window).subquery()
        start = connection.execute(select(func.min(before.c.result_time))).scalar_one() or oldest
    else:
        start = oldest - window.to_pytimedelta()
    rows = connection.execute(
        select(time, observation.c.id, observation.c.result_number)
        .where(*numbers, time >= start, time <= newest)
        .order_by(time),
        execution_options={"yield_per": CHUNK_ROWS},
    )
    return Series(pd.concat([_frame(chunk) for chunk in rows.partitions()]), _without_zone(oldest))


def _frame(rows: Sequence[Row[Any]]) -> pd.DataFrame:
    times, identifiers, values = zip(*rows, strict=True)
    index = pd.to_datetime(list(times), utc=True).tz_localize(None)
    return pd.DataFrame({"id": identifiers, "number": values}, index=index).astype({"id": "int64", "number": "float64"})


def _without_zone(time: object) -> pd.Timestamp:
    return pd.to_datetime([time], utc=True).tz_localize(None)[0]


def _unlabelled() -> ColumnElement[bool]:
    # TSM's own tools write JSON's null where we write none.
    return or_(observation.c.result_quality.is_(None), observation.c.result_quality == JSON.NULL)


def save(engine: Engine, thing: Thing, labelled: pd.DataFrame) -> int:
    """Write labels (columns `id`, `number`, `label`), all or none; returns how many were written.

    A value that was replaced while it was being checked keeps no label: this one was given to the old value.
    """
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            return _save_postgresql(connection, thing, labelled)
        return _save_sqlite(connection, labelled)


def _save_postgresql(connection: Connection, thing: Thing, labelled: pd.DataFrame) -> int:
    connection.exec_driver_sql(
        "CREATE TEMPORARY TABLE checked (id bigint, number double precision, label jsonb) ON COMMIT DROP"
    )
    due = labelled[["id", "number", "label"]]
    chunks = (due.iloc[first : first + CHUNK_ROWS] for first in range(0, len(due), CHUNK_ROWS))
    copy_csv(connection, "checked (id, number, label)", (chunk.to_csv(header=False, index=False) for chunk in chunks))
    lock(connection, thing.id)
    return connection.execute(
        text(
            "UPDATE observation SET result_quality = checked.label FROM checked"
            " WHERE observation.id = checked.id AND observation.result_number = checked.number"
        )
    ).rowcount


def _save_sqlite(connection: Connection, labelled: pd.DataFrame) -> int:
    # The label is JSON text already; the column's own type would encode it once more.
    statement = text("UPDATE observation SET result_quality = :label WHERE id = :id AND result_number = :number")
    rows = [
        {"id": identifier, "number": number, "label": label}
        for identifier, number, label in zip(
            labelled["id"].tolist(), labelled["number"].tolist(), labelled["label"].tolist(), strict=True
        )
    ]
    return connection.execute(statement, rows).rowcount
