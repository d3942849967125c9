"""Tables that other programs made: tsm-extractor's, and those of time.IO today."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from extractor import store
from tests.extractor import things
from tests.support.static_http import StaticHttp

_RESULTS = """
    phenomenon_time_start timestamptz, phenomenon_time_end timestamptz, result_time timestamptz NOT NULL,
    result_type smallint NOT NULL, result_number double precision, result_string varchar(200), result_json jsonb,
    result_boolean boolean, result_latitude double precision, result_longitude double precision,
    result_altitude double precision, result_quality jsonb, valid_time_start timestamptz, valid_time_end timestamptz,
    parameters jsonb"""
_THING = "id ID, name varchar(200) NOT NULL, uuid uuid NOT NULL UNIQUE, description text, properties jsonb"
_DATASTREAM = "id ID, name varchar(200) NOT NULL, description text, properties jsonb, position varchar(200) NOT NULL"
_DEFERRED = "DEFERRABLE INITIALLY DEFERRED"

TSM_EXTRACTOR = f"""
CREATE TABLE thing ({_THING});
CREATE TABLE datastream ({_DATASTREAM}, thing_id bigint NOT NULL REFERENCES thing (id) {_DEFERRED},
    UNIQUE (thing_id, position));
CREATE TABLE observation (id ID, {_RESULTS},
    datastream_id bigint NOT NULL REFERENCES datastream (id) {_DEFERRED}, UNIQUE (result_time, datastream_id));
CREATE INDEX observation_datastream ON observation (datastream_id)
"""
TIME_IO = f"""
CREATE TABLE thing ({_THING});
CREATE TABLE journal (id ID, timestamp timestamptz NOT NULL, level varchar(30) NOT NULL, message text, extra jsonb,
    origin varchar(200), thing_id bigint NOT NULL REFERENCES thing (id) {_DEFERRED});
CREATE TABLE datastream ({_DATASTREAM}, thing_id bigint NOT NULL REFERENCES thing (id) {_DEFERRED},
    mutable boolean NOT NULL DEFAULT FALSE, UNIQUE (thing_id, position));
CREATE TABLE observation (id ID, {_RESULTS},
    datastream_id bigint NOT NULL REFERENCES datastream (id) {_DEFERRED}, UNIQUE (datastream_id, result_time));
CREATE INDEX idx_observation_result_time ON observation (result_time)
"""
# As time.IO's tables were before they had an id each, the key being an index.
WITHOUT_CONSTRAINT = TIME_IO.replace(", UNIQUE (datastream_id, result_time)", "") + (
    "; CREATE UNIQUE INDEX observation_key ON observation (datastream_id, result_time)"
)

SITES = [
    pytest.param(TSM_EXTRACTOR, id="tsm-extractor"),
    pytest.param(TIME_IO, id="time.IO"),
    pytest.param(WITHOUT_CONSTRAINT, id="unique index"),
]
HOURS = ("2026-01-01 00:00:00", "2026-01-01 01:00:00")


def execute(connection: Connection, statements: str) -> None:
    """Run statements, written for PostgreSQL, on either database."""
    ids = {"postgresql": "bigserial PRIMARY KEY", "sqlite": "integer PRIMARY KEY"}
    for statement in re.sub(r"\bid ID\b", f"id {ids[connection.dialect.name]}", statements).split(";"):
        connection.execute(text(statement))


def make_site(target: str, tables: str, *, name: str = "station", **properties: Any) -> None:
    """The tables of a site, and a thing in them."""
    engine = store.connect(target)
    with engine.begin() as connection:
        execute(connection, tables)
        connection.execute(
            text("INSERT INTO thing (name, uuid, properties) VALUES (:name, :uuid, :properties)"),
            {"name": name, "uuid": things.UUID_TEXT, "properties": json.dumps(things.csv_parser() | properties)},
        )


def parse(target: str, files: Path, http: StaticHttp, *lines: str, parser: str = "CsvParser") -> things.Done:
    (files / "data.csv").write_text("\n".join(lines))
    source = http.url("data.csv", "X-Amz-Signature=canary-signature")
    return things.command("parse", "-p", parser, "-t", target, "-s", source, "-d", things.UUID_TEXT, "-m", "None")


@pytest.mark.parametrize("tables", SITES)
def test_a_file_is_stored_checked_corrected_and_checked_again(
    target: str, files: Path, http: StaticHttp, tables: str
) -> None:
    make_site(target, tables, **things.qaqc(things.flag_range(max=10)))
    for last, expected in ((20, ["0.0", "255.0"]), (20, ["0.0", "255.0"]), (5, ["0.0", "0.0"])):
        things.succeeded(parse(target, files, http, "t,a,b", f"{HOURS[0]},1,x", f"{HOURS[1]},{last},y"))
        things.succeeded(things.run_qaqc(target))
        table = things.observations(target)
        numbers = table[table["position"] == "1"]
        assert numbers["result_number"].tolist() == [1, last]
        assert [label["annotation"] for label in numbers["result_quality"]] == expected
        assert table[table["position"] == "2"]["result_string"].tolist() == ["x", "y"]


def test_parameters_say_where_a_value_came_from_and_nothing_secret(target: str, files: Path, http: StaticHttp) -> None:
    make_site(target, TIME_IO)
    things.succeeded(parse(target, files, http, "t,a", f"{HOURS[0]},1"))
    with store.connect(target).connect() as connection:
        parameters = connection.execute(text("SELECT parameters FROM observation")).scalar_one()
    parameters = parameters if isinstance(parameters, dict) else json.loads(parameters)
    assert parameters == {"origin": http.url("data.csv"), "column_header": "a"}


def test_headers_are_positions_in_time_io_and_column_numbers_too(target: str, files: Path, http: StaticHttp) -> None:
    settings = {"delimiter": ",", "header": 0, "timezone": "UTC", "duplicate": True}
    settings["timestamp_columns"] = [{"column": 0, "format": "%Y-%m-%d %H:%M:%S"}]
    make_site(target, TIME_IO, parsers=[{"type": "csv", "settings": settings}])
    things.succeeded(parse(target, files, http, "t,temp", f"{HOURS[0]},1", parser="csv"))
    table = things.observations(target)
    assert dict(zip(table["position"], table["result_number"], strict=True)) == {"1": 1, "temp": 1}


@pytest.mark.parametrize("tables", SITES)
def test_a_text_that_is_too_long_is_named(target: str, files: Path, http: StaticHttp, tables: str) -> None:
    make_site(target, tables)
    done = parse(target, files, http, "t,a", f"{HOURS[0]},{'x' * 200}", f"{HOURS[1]},{'x' * 201}")
    reason = things.failed(done, 1)
    assert "position 1, 2026-01-01T01:00:00Z: the text has more than the 200 characters" in reason
    assert "ALTER TABLE observation ALTER result_string TYPE text" in reason
    assert things.observations(target).empty


def test_a_long_name_of_a_thing_leaves_room_for_datastreams(target: str, files: Path, http: StaticHttp) -> None:
    make_site(target, TIME_IO, name="n" * 200)
    things.succeeded(parse(target, files, http, "t,a", f"{HOURS[0]},1"))
    assert things.observations(target)["name"].tolist() == ["n" * 200]


@pytest.mark.parametrize(
    ("left_out", "reason"),
    [
        pytest.param(
            ", UNIQUE (datastream_id, result_time)",
            "no unique constraint on (datastream_id, result_time): CREATE UNIQUE INDEX ON observation",
            id="constraint of observations",
        ),
        pytest.param(
            ", UNIQUE (thing_id, position)",
            "no unique constraint on (thing_id, position): CREATE UNIQUE INDEX ON datastream",
            id="constraint of datastreams",
        ),
        pytest.param(
            "result_boolean boolean, ", "observation of the datastore has no column result_boolean", id="column"
        ),
    ],
)
def test_what_the_tables_lack_is_named(target: str, files: Path, http: StaticHttp, left_out: str, reason: str) -> None:
    tables = re.sub(re.escape(left_out).replace(r"\ ", r"\s+"), "", TIME_IO)
    assert tables != TIME_IO
    make_site(target, tables)
    assert reason in things.failed(parse(target, files, http, "t,a", f"{HOURS[0]},1"), 1)


def test_an_account_that_may_only_write_rows_is_enough(postgresql_server: Any, files: Path, http: StaticHttp) -> None:
    database = postgresql_server.create_database()
    owner = postgresql_server.uri(database)
    make_site(owner, TIME_IO)
    account = f"writer_{database}"
    with store.connect(owner).begin() as connection:
        connection.execute(text(f"CREATE ROLE {account} LOGIN PASSWORD 'secret'"))
        connection.execute(text("REVOKE CREATE ON SCHEMA public FROM PUBLIC"))
        connection.execute(text(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {account}"))
        connection.execute(text(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {account}"))
    target = f"postgresql://{account}:secret@{owner.partition('@')[2]}"
    for _ in range(2):
        things.succeeded(parse(target, files, http, "t,a", f"{HOURS[0]},1"))
    assert things.observations(target)["result_number"].tolist() == [1]
