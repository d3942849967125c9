"""Datastores, a broker and a file server. These tests run in the extractor's own environment."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.extractor import things
from tests.support import mosquitto, postgresql, static_http

_HOW_TO_RUN = "sudo ./container/test runs them"


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[postgresql.PostgreSQL]:
    if postgresql.binaries() is None:
        pytest.skip(f"needs a PostgreSQL server; {_HOW_TO_RUN}")
    # A password that is easily found where it must not be.
    with postgresql.running(password="canary-database") as server:
        yield server


@pytest.fixture(scope="session")
def broker() -> Iterator[mosquitto.Mosquitto]:
    if mosquitto.binary() is None:
        pytest.skip(f"needs mosquitto; {_HOW_TO_RUN}")
    with mosquitto.running(password="canary-mqtt") as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URI of an empty datastore."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'data.sqlite'}"
    server: postgresql.PostgreSQL = request.getfixturevalue("postgresql_server")
    return server.uri(server.create_database())


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The folder that `http` serves."""
    folder = tmp_path / "served"
    folder.mkdir()
    return folder


@pytest.fixture
def http(files: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[static_http.StaticHttp]:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    with static_http.serving(files) as server:
        yield server


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    """The URI of a datastore with a thing that has the usual CSV settings."""
    target = f"sqlite:///{tmp_path / 'data.sqlite'}"
    things.add(target, things.csv_parser())
    return target
