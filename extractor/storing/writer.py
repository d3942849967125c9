"""Writes parsed observations: everything in one transaction, so that a job that is killed leaves nothing half-written.

Writing the same file again changes nothing. A value that differs from the stored one replaces it and takes its quality
label away, because the label was given to the old value; the next quality control looks at it again.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, delete, or_, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from extractor.logs import Progress, logger
from extractor.parsing.columns import Column
from extractor.store import Thing, datastream, datastream_ids, lock, observation, positions_of
from extractor.storing.headers import changed_headers
from extractor.storing.incoming import Incoming, describe_columns, fill, incoming, incoming_column
from extractor.storing.settings import storing_of
from extractor.storing.site_tables import SiteTables, look_at

_RESULT = ("result_type", "result_number", "result_string", "result_boolean")


@dataclass(frozen=True)
class Stored:
    """What came of a file, in rows of the table `observation`."""

    count: int
    """Rows that hold what the file says."""
    changed: int
    """Those of them that were not there before, or held something else."""
    removed: int
    """Rows that are gone, because the file has no value at their time."""
    warnings: Sequence[str]
    """What was perhaps not meant so."""

    def sentences(self) -> list[str]:
        """What the last line of the log says after the number of observations."""
        removed = [f"{self.removed:,} removed that are blank in the file"] if self.removed else []
        return [f"{self.changed:,} of them new or changed", *removed]


def write(engine: Engine, thing: Thing, chunks: Iterable[Sequence[Column]], origin: str) -> Stored:
    """Store all observations of a file.

    Several jobs may write to the same thing at once. Where a file has a time twice in a column, the later row wins.

    Raises:
        ExtractorError: the thing's settings are wrong, or its tables do not take the file.
    """
    storing = storing_of(thing.properties)
    with engine.begin() as connection:
        site = look_at(connection)
        with_blanks = positions_of(connection, thing.id) if storing.blank_values == "remove" else set()
        read = Incoming(site, with_blanks)
        fill(connection, read, _counted(chunks))
        logger.info("%s observations read, writing them", f"{read.count:,}")
        # From here on one writer a thing: a parse and a quality control that take the same rows in different orders
        # would deadlock.
        lock(connection, thing.id)
        identifiers = ensure_datastreams(connection, thing, read.columns, site)
        describe_columns(connection, read, identifiers, origin)
        warnings = changed_headers(connection, read, identifiers)
        removed = _remove_blanks(connection) if read.rows > read.count else 0
        return Stored(read.count, _merge(connection), removed, warnings)


def _counted(chunks: Iterable[Sequence[Column]]) -> Iterator[Sequence[Column]]:
    progress = Progress("%s observations read")
    count = 0
    for columns in chunks:
        count += sum(len(column.values) for column in columns)
        progress.reached(count)
        yield columns


def ensure_datastreams(
    connection: Connection, thing: Thing, positions: Iterable[str], site: SiteTables
) -> dict[str, int]:
    """Position -> id of the thing's datastreams, made where missing."""
    positions = sorted(positions)
    if positions:
        connection.execute(
            _dialect(connection).insert(datastream).on_conflict_do_nothing(),
            [
                {"thing_id": thing.id, "position": position, "name": f"{thing.name}/{position}"[: site.name]}
                for position in positions
            ],
        )
    return datastream_ids(connection, thing.id, positions)


def _remove_blanks(connection: Connection) -> int:
    """Delete the rows of `observation` at whose time the file has no value; returns how many they were."""
    blank = (
        select(incoming_column.c.datastream_id, incoming.c.result_time)
        .join_from(incoming, incoming_column, incoming.c.number == incoming_column.c.number)
        .where(incoming.c.result_type.is_(None))
    )
    key = tuple_(observation.c.datastream_id, observation.c.result_time)
    return connection.execute(delete(observation).where(key.in_(blank))).rowcount


def _merge(connection: Connection) -> int:
    """Insert what is new, replace what is different; returns how many rows of `observation` that were."""
    rows = (
        select(
            incoming_column.c.datastream_id,
            incoming.c.result_time,
            *(incoming.c[name] for name in _RESULT),
            incoming_column.c.parameters,
        )
        .join_from(incoming, incoming_column, incoming.c.number == incoming_column.c.number)
        .where(incoming.c.result_type.is_not(None))
    )
    statement = _dialect(connection).insert(observation)
    statement = statement.from_select(["datastream_id", "result_time", *_RESULT, "parameters"], rows)
    new = statement.excluded
    statement = statement.on_conflict_do_update(
        index_elements=["datastream_id", "result_time"],
        set_={name: new[name] for name in (*_RESULT, "parameters")} | {"result_quality": None},
        where=or_(*(observation.c[name].is_distinct_from(new[name]) for name in _RESULT)),
    )
    return connection.execute(statement, execution_options={"preserve_rowcount": True}).rowcount


def _dialect(connection: Connection) -> Any:
    return postgresql if connection.dialect.name == "postgresql" else sqlite
