"""Tells when a column of a file has another header than it had in earlier files: perhaps its columns changed places."""

from collections.abc import Iterator

from sqlalchemy import Connection, select

from extractor.store import observation
from extractor.storing.incoming import Incoming

NAMED_COLUMNS = 5


def changed_headers(connection: Connection, read: Incoming, datastream_ids: dict[str, int]) -> list[str]:
    """A sentence for each such column, some of them if they are many."""
    changes = list(_changes(connection, read, datastream_ids))
    more = len(changes) - NAMED_COLUMNS
    return changes if more <= 0 else [*changes[:NAMED_COLUMNS], f"and the like in {more} more columns"]


def _changes(connection: Connection, read: Incoming, datastream_ids: dict[str, int]) -> Iterator[str]:
    for position, column in read.columns.items():
        earlier = _newest_header(connection, datastream_ids[position])
        if earlier not in (None, column.header):
            yield f"column {position} is {column.header!r} in this file and was {earlier!r} before"


def _newest_header(connection: Connection, datastream_id: int) -> object:
    query = select(observation.c.parameters).where(observation.c.datastream_id == datastream_id)
    parameters = connection.execute(query.order_by(observation.c.result_time.desc()).limit(1)).scalar_one_or_none()
    return parameters.get("column_header") if isinstance(parameters, dict) else None
