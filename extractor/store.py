"""The datastore (SensorThings-like): its tables, how to reach it, and what is read from it."""

import re
import socket
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    URL,
    BigInteger,
    Boolean,
    Column,
    Connection,
    DateTime,
    Double,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    create_engine,
    event,
    func,
    insert,
    make_url,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.pool import NullPool

from extractor import limits
from extractor.errors import ExtractorError, PassingError
from extractor.uris import check_target

CONNECT_TIMEOUT_SECONDS = 10
POSTGRESQL_PORT = 5432
# How long a writer waits for another one's transaction on the same SQLite file.
SQLITE_BUSY_TIMEOUT_SECONDS = 300

DRIVERS = {"postgresql": "postgresql+psycopg", "postgresql+psycopg": "postgresql+psycopg", "sqlite": "sqlite"}

_EMPTY_PORT = re.compile(r"^([^/?]*[^:/?]):(?=[/?]|$)")

# SQLite counts rows up only where the primary key is exactly INTEGER.
_Id = BigInteger().with_variant(Integer, "sqlite")
_Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
_Uuid = String(36).with_variant(Uuid(as_uuid=False), "postgresql")
_Time = DateTime(timezone=True)

metadata = MetaData()

thing = Table(
    "thing",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("name", String(200), nullable=False),
    Column("uuid", _Uuid, nullable=False, unique=True),
    Column("description", Text),
    Column("properties", _Json),
)

datastream = Table(
    "datastream",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("name", String(200), nullable=False),
    Column("description", Text),
    Column("properties", _Json),
    Column("position", String(200), nullable=False),
    Column("thing_id", _Id, ForeignKey("thing.id"), nullable=False),
    UniqueConstraint("thing_id", "position"),
)

observation = Table(
    "observation",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("phenomenon_time_start", _Time),
    Column("phenomenon_time_end", _Time),
    Column("result_time", _Time, nullable=False),
    Column("result_type", SmallInteger, nullable=False),
    Column("result_number", Double),
    Column("result_string", Text),
    Column("result_json", _Json),
    Column("result_boolean", Boolean),
    Column("result_latitude", Double),
    Column("result_longitude", Double),
    Column("result_altitude", Double),
    Column("result_quality", _Json),
    Column("valid_time_start", _Time),
    Column("valid_time_end", _Time),
    Column("parameters", _Json),
    Column("datastream_id", _Id, ForeignKey("datastream.id"), nullable=False),
    UniqueConstraint("datastream_id", "result_time"),
)


@dataclass(frozen=True)
class Thing:
    """A row of `thing`: what observations belong to, and how its files are read and checked."""

    id: int
    name: str
    uuid: str
    properties: dict[str, Any] | None


def check(uri: str) -> None:
    """Raise `ValueError`, with a reason that repeats nothing of `uri`, unless it can be a datastore."""
    check_target(uri, limits.target_rules(DRIVERS))


def url_of(uri: str) -> URL:
    """A checked target as SQLAlchemy has it, which knows neither schemes in capitals nor empty ports."""
    scheme, _, rest = uri.partition("://")
    return make_url(DRIVERS[scheme.lower()] + "://" + _EMPTY_PORT.sub(r"\1", rest))


def connect(uri: str) -> Engine:
    """An engine for a checked target URI; no connection is made yet.

    Raises:
        ExtractorError: it is an SQLite file outside of the folders for them.
    """
    url = url_of(uri)
    if url.drivername == "sqlite":
        _refuse_file_outside(Path(url.database or ""))
        engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS})
        event.listen(engine, "connect", _take_over_transactions)
        event.listen(engine, "begin", _begin_immediate)
        return engine
    engine = create_engine(url, poolclass=NullPool, connect_args={"connect_timeout": CONNECT_TIMEOUT_SECONDS})
    event.listen(engine, "do_connect", _choose_addresses)
    return engine


def _refuse_file_outside(path: Path) -> None:
    try:
        limits.checked_path(path, limits.target_rules(DRIVERS).folders)
    except limits.DeniedError as error:
        raise ExtractorError(f"cannot open the datastore: {error}") from None


def _choose_addresses(_dialect: object, _record: object, _arguments: object, parameters: dict[str, Any]) -> None:
    """Let libpq connect to addresses that have been checked; it still compares `host` with the certificate."""
    host = parameters.get("host")
    if not host or host.startswith("/"):  # a socket on this machine
        return
    try:
        addresses = limits.checked_addresses(host, parameters.get("port", POSTGRESQL_PORT))
    except limits.DeniedError as error:
        raise ExtractorError(f"cannot connect to the datastore: {error}") from None
    except socket.gaierror as error:
        error_type = PassingError if error.errno == socket.EAI_AGAIN else ExtractorError
        raise error_type(f"cannot connect to the datastore: {host}: {error.strerror}") from error
    parameters.update(host=",".join([host] * len(addresses)), hostaddr=",".join(addresses))


def _take_over_transactions(connection: sqlite3.Connection, _record: object) -> None:
    # sqlite3 itself would begin late, and leave CREATE TABLE outside of the transaction.
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode = WAL")


def _begin_immediate(connection: Connection) -> None:
    # A transaction that reads first and writes later is refused at once, not after the busy timeout, when another
    # one has written in between. So every transaction takes the write lock when it begins.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def create_tables(engine: Engine) -> None:
    """Make the tables that are missing. Several jobs may do so at once."""
    with engine.begin() as connection:
        # CREATE TABLE IF NOT EXISTS by two sessions at once fails for one of them in PostgreSQL.
        lock(connection, 0)
        metadata.create_all(connection)


def lock(connection: Connection, key: int) -> None:
    """Until the transaction ends, no other holds the same key: a thing's id, or 0 for the tables.

    SQLite has one writer at a time anyway.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(func.hashtext("observation"), func.hashint8(key))))


def add_thing(engine: Engine, uuid: UUID, name: str, properties: dict[str, Any] | None) -> None:
    """Make the thing known to the datastore."""
    with engine.begin() as connection:
        connection.execute(insert(thing).values(uuid=str(uuid), name=name, properties=properties))


def find_thing(engine: Engine, uuid: UUID) -> Thing:
    """The thing with that UUID.

    Raises:
        ExtractorError: there is none.
    """
    with engine.connect() as connection:
        row = connection.execute(
            select(thing.c.id, thing.c.name, thing.c.uuid, thing.c.properties).where(thing.c.uuid == str(uuid))
        ).one_or_none()
    if row is None:
        raise ExtractorError(f"no thing has the UUID {uuid} in {shown(engine)}")
    return Thing(row.id, row.name, str(row.uuid), row.properties)


def datastream_ids(connection: Connection, thing_id: int, positions: Iterable[str]) -> dict[str, int]:
    """Position -> id of those of the thing's datastreams that exist."""
    rows = connection.execute(
        select(datastream.c.position, datastream.c.id).where(
            datastream.c.thing_id == thing_id, datastream.c.position.in_(list(positions))
        )
    )
    return {row.position: row.id for row in rows}


def positions_of(connection: Connection, thing_id: int) -> set[str]:
    """The positions of the thing's datastreams."""
    return set(connection.execute(select(datastream.c.position).where(datastream.c.thing_id == thing_id)).scalars())


def copy_csv(connection: Connection, into: str, texts: Iterable[str]) -> None:
    """Send CSV texts to PostgreSQL's COPY; `into` is a table with its columns."""
    _copy(connection, f"COPY {into} FROM STDIN (FORMAT csv)", texts)


def copy_binary(connection: Connection, into: str, parts: Iterable[bytes]) -> None:
    """Send PostgreSQL's COPY what is in its binary format already; `into` is a table with its columns."""
    _copy(connection, f"COPY {into} FROM STDIN (FORMAT binary)", parts)


def _copy(connection: Connection, statement: str, parts: Iterable[str | bytes]) -> None:
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        for part in parts:
            copy.write(part)


def shown(engine: Engine) -> str:
    """The engine's URI without user, password and options, for messages."""
    url = engine.url
    return f"{url.get_backend_name()}://{url.host or ''}{f':{url.port}' if url.port else ''}/{url.database or ''}"
