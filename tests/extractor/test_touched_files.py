"""No URI that is accepted makes the extractor open a file outside of its folders: the kernel tells which it opens."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st
from sqlalchemy.exc import SQLAlchemyError

from extractor import store
from extractor.errors import ExtractorError
from extractor.reading import sources
from tests.extractor import things
from tests.support.postgresql import PostgreSQL
from tests.support.traced_files import Touched, TracedFiles, tracing_files

# What programs read something into. `{top}` has the open folder `stores`, and what is none of a job's business.
STARTS = (*["{top}/stores"] * 8, "{top}", "{top}/storesX", "", "/etc", "~", ".")
PARTS = (
    *("a.db", "b.csv", "sub", "new.db", "link.db", "dangling.db", "up", "loop", "secret.db", "stores", "storesX"),
    *("..", ".", "", "%2e%2e", "%2E%2E%2Fsecret.db", "..%2fsecret.db", "%00", ":memory:", "file:a.db", "file:", "~"),
    *("a%20b", "a+b", "a;b", "a:b", "a.db-journal", "a.db-wal", "passwd", "etc", "proc", "self", "fd", "0"),
)
ENDS = (*[""] * 12, "/", "?mode=rwc", "?uri=true", "?vfs=unix", "#x", "?", "%3Fmode=ro", "&cache=shared")
SCHEMES = (*["sqlite:///"] * 6, "sqlite:////", "SQLite:///", "sqlite+pysqlite:///", "sqlite://", "sqlite://localhost/")
FILE_SCHEMES = (*["file://"] * 6, "FILE://", "file://localhost", "file:/", "file:///", "file://other")
# Out of the folder.
LINKS = ("link.db", "dangling.db", "sub/link.db", "up/secret.db", "up/storesX/a.db", "loop")

EFFORT = effort(
    max_examples=2000, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


@pytest.fixture(scope="module")
def top(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("top")
    stores = top / "stores"
    (stores / "sub").mkdir(parents=True)
    (top / "storesX").mkdir()
    for path in (top / "secret.db", top / "storesX" / "a.db"):
        store.create_tables(store.connect(f"sqlite:///{path}"))
    (stores / "b.csv").write_text("x")
    (stores / "link.db").symlink_to(top / "secret.db")
    (stores / "dangling.db").symlink_to(top / "made.db")
    (stores / "up").symlink_to(top)
    (stores / "loop").symlink_to("loop")
    (stores / "sub" / "link.db").symlink_to("../../storesX/a.db")
    return top


@pytest.fixture
def files(top: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TracedFiles]:
    monkeypatch.setenv("EXTRACTOR_TARGET_FOLDERS", f"{top}/stores")
    monkeypatch.setenv("EXTRACTOR_FILE_ROOTS", f"{top}/stores")
    monkeypatch.chdir(top)
    try:
        with tracing_files() as files:
            yield files
    except PermissionError:
        pytest.skip("needs root, to trace files; sudo ./container/test runs it")


def uris(top: Path, schemes: tuple[str, ...]) -> st.SearchStrategy[str]:
    parts = st.lists(st.sampled_from(PARTS), max_size=4).map("/".join)
    made = st.tuples(st.sampled_from(schemes), st.sampled_from(STARTS), parts, st.sampled_from(ENDS))
    return made.map(lambda part: f"{part[0]}{part[1].format(top=top)}/{part[2]}{part[3]}")


def outside(touched: set[Touched], folder: Path) -> set[Path]:
    """What does not lie below the folder."""
    return {each.path for each in touched if folder not in each.path.parents}


def write_to(target: str) -> None:
    engine = store.connect(target)
    store.create_tables(engine)
    store.add_thing(engine, UUID(things.UUID_TEXT), "station", None)


def test_targets(top: Path, files: TracedFiles) -> None:
    opened: set[Touched] = set()
    write_to(f"sqlite:///{top}/stores/warm.db")  # what is imported for the first of them only

    def open_it(uri: str) -> None:
        try:
            store.check(uri)
        except ValueError:
            return
        files.take()  # what Hypothesis itself has opened
        with suppress(ExtractorError, SQLAlchemyError):
            write_to(uri)
        touched = files.take()
        opened.update(touched)
        assert outside(touched, top / "stores") == set(), uri

    for name in LINKS:
        open_it(f"sqlite:///{top}/stores/{name}")
    EFFORT(given(uri=uris(top, SCHEMES))(open_it))()
    assert {each.path.name for each in opened if each.is_written} >= {"a.db", "new.db"}
    assert not (top / "made.db").exists()
    assert sorted(path.name for path in top.iterdir()) == ["secret.db", "stores", "storesX"]


def test_sources(top: Path, files: TracedFiles) -> None:
    opened: set[Touched] = set()

    def open_it(uri: str) -> None:
        try:
            sources.check(uri)
        except ValueError:
            return
        files.take()
        with suppress(ExtractorError), sources.fetch(uri) as path:
            path.read_bytes()
        touched = files.take()
        opened.update(touched)
        assert outside(touched, top / "stores") == set(), uri
        assert not any(each.is_written for each in touched), uri

    for name in LINKS:
        open_it(f"file://{top}/stores/{name}")
    EFFORT(given(uri=uris(top, FILE_SCHEMES))(open_it))()
    assert top / "stores" / "b.csv" in {each.path for each in opened}


@pytest.mark.parametrize("sslmode", ["disable", "prefer"])
def test_servers(postgresql_server: PostgreSQL, files: TracedFiles, sslmode: str) -> None:
    """Nothing is written, whatever the driver reads."""
    options = f"?sslmode={sslmode}&application_name=a&connect_timeout=5&options=-csearch_path%3Dpublic"
    write_to(postgresql_server.uri(postgresql_server.create_database()) + options)
    assert {each.path for each in files.take() if each.is_written} == set()


def test_the_trace_sees_what_it_is_to_see(top: Path, files: TracedFiles) -> None:
    """A journal that SQLite writes, in C, and a file that is only read."""
    store.create_tables(store.connect(f"sqlite:///{top}/stores/seen.db"))
    os.close(os.open(top / "secret.db", os.O_RDONLY))
    touched = files.take()
    assert {"seen.db", "seen.db-journal"} <= {each.path.name for each in touched if each.is_written}
    assert top / "secret.db" in {each.path for each in touched if not each.is_written}
