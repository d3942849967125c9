"""A PostgreSQL with the tables that time.IO makes, and one thing."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psycopg
from psycopg.rows import TupleRow

from tests.support import postgresql
from tests.support.samples import THING

# As time.IO makes them, in a schema of the project.
TABLES = """
CREATE SCHEMA project; SET search_path TO project;
CREATE TABLE thing (id bigserial PRIMARY KEY, name varchar(200) NOT NULL, uuid uuid NOT NULL UNIQUE, description text,
  properties jsonb);
CREATE TABLE datastream (id bigserial PRIMARY KEY, name varchar(200) NOT NULL, description text, properties jsonb,
  position varchar(200) NOT NULL, thing_id bigint NOT NULL REFERENCES thing, UNIQUE (thing_id, position));
CREATE TABLE observation (id bigserial PRIMARY KEY, phenomenon_time_start timestamptz, phenomenon_time_end timestamptz,
  result_time timestamptz NOT NULL, result_type smallint NOT NULL, result_number double precision,
  result_string varchar(200), result_json jsonb, result_boolean boolean, result_latitude double precision,
  result_longitude double precision, result_altitude double precision, result_quality jsonb,
  valid_time_start timestamptz, valid_time_end timestamptz, parameters jsonb,
  datastream_id bigint NOT NULL REFERENCES datastream, UNIQUE (datastream_id, result_time));
CREATE VIEW public.sms_datastream_link AS
  SELECT d.id AS device_property_id, d.id AS datastream_id, t.uuid AS thing_id FROM datastream d JOIN thing t
  ON t.id = d.thing_id WHERE d.position = 'air';
"""

Datastore = tuple[str, psycopg.Connection[TupleRow]]


@contextmanager
def running(properties: Mapping[str, object]) -> Iterator[Datastore]:
    """The URI for jobs, and a connection. `properties` are the thing's."""
    with postgresql.running() as server:
        uri = server.uri(server.create_database())
        with psycopg.connect(uri, autocommit=True) as connection:
            connection.execute(TABLES)
            connection.execute(
                "INSERT INTO thing (name, uuid, properties) VALUES ('station', %s, %s)", [THING, json.dumps(properties)]
            )
            yield f"{uri}?options=-csearch_path%3Dproject", connection
