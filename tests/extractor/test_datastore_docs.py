"""docs/datastore.md is true of the code: names, defaults, rights, and the statements it gives."""

import re
from pathlib import Path

import pytest
from sqlalchemy import text

from extractor import store
from extractor.storing import incoming
from extractor.storing.settings import StoringSettings
from tests.extractor import things
from tests.extractor.test_site_tables import TIME_IO, make_site, parse
from tests.support.postgresql import PostgreSQL
from tests.support.static_http import StaticHttp

TEXT = (things.ROOT / "docs" / "datastore.md").read_text(encoding="utf-8")
STATEMENTS = re.findall(r"```sql\n(.*?)```", TEXT, re.DOTALL)


WRITTEN = [column.name for column in incoming.incoming.columns if column.name in store.observation.columns]


@pytest.mark.parametrize("name", [*WRITTEN, "parameters", "datastream_id"])
def test_columns_that_are_written_are_described(name: str) -> None:
    assert f"`{name}`" in TEXT


def test_the_setting_is_described_with_its_default() -> None:
    (name,) = StoringSettings.model_fields
    assert f'"{name}": "keep"' in TEXT
    assert f'default is `"{StoringSettings().blank_values}"`' in TEXT


def test_the_statements_do_what_is_said_of_them(postgresql_server: PostgreSQL, files: Path, http: StaticHttp) -> None:
    target = postgresql_server.uri(postgresql_server.create_database())
    make_site(target, TIME_IO)
    things.succeeded(parse(target, files, http, "t,a", "2026-01-01 00:00:00,1"))
    signed = """UPDATE observation SET parameters = '{"origin": "http://files/a.csv?sig=x", "column_header": "a"}'"""
    with store.connect(target).begin() as connection:
        connection.exec_driver_sql(signed)
        for statement in STATEMENTS:
            connection.exec_driver_sql(statement.replace("%", "%%"))
        parameters = connection.execute(text("SELECT parameters FROM observation")).scalar_one()
    assert parameters == {"origin": "http://files/a.csv", "column_header": "a"}
    things.succeeded(parse(target, files, http, "t,a", f"2026-01-01 00:00:00,{'x' * 300}"))
    assert things.observations(target)["result_string"].str.len().tolist() == [300]
