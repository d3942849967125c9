"""The bridge and the extractor read a URI in the same way, and what they accept leads where it says."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from bridge.policy import uris
from bridge.policy.hosts import HostRules, host_of
from extractor import store
from extractor.errors import ExtractorError
from extractor.reading import sources

FOLDERS = ("/data/stores", "/data/a+b")
HOSTS = ("db.example", "10.0.0.0/8")
DENIED = ("169.254.0.0/16",)
ENVIRONMENT = {
    "EXTRACTOR_TARGET_FOLDERS": ":".join(FOLDERS),
    "EXTRACTOR_FILE_ROOTS": ":".join(FOLDERS),
    "EXTRACTOR_TARGET_HOSTS": " ".join(HOSTS),
    "EXTRACTOR_SOURCE_HOSTS": " ".join(HOSTS),
    "EXTRACTOR_DENIED_HOSTS": " ".join(DENIED),
}
LIMITS = HostRules.of(HOSTS, DENIED)
TARGETS = uris.UriRules(frozenset(store.DRIVERS), LIMITS, [Path(folder) for folder in FOLDERS])
SOURCES = uris.UriRules(frozenset(sources.SCHEMES), LIMITS, TARGETS.folders)

# Pieces that mean something to a program that reads URIs, put together in ways that their writers did not have in mind.
SCHEMES = (
    "postgresql",
    "postgresql+psycopg",
    "sqlite",
    "SQLite",
    "POSTGRESQL",
    "oracle",
    "http",
    "https",
    "FILE",
    "file",
)
AUTHORITIES = (
    *("db.example", "db.example:", "db.example:5432", "DB.example.", "u:p@db.example", "u:p%40q@10.1.2.3:1", "[::1]"),
    *("evil.example", "db.example@evil.example", "db.example,evil.example", "169.254.1.1", "127.1", "u@", "", ":", "@"),
    *("db.example:0", "db.example:99999", "%64b.example", "u:@db.example", "localhost"),
)
PATHS = (
    *(
        "",
        "/",
        "/d",
        "//data/stores/a.db",
        "/data/stores/a.csv",
        "//data/stores/../x",
        "/data/a%2Bb/c",
        "/data/stores/%2e%2e/x",
    ),
    *(
        "/:memory:",
        "/file:/x",
        "//data/stores/",
        "//data/storesX/a",
        "/host=evil",
        "/a%3Db",
        "/a)(HOST=b",
        "/a:/b",
        "/x@y/z",
    ),
    *("//data/stores/a%00", "///data/stores/a.db", "//etc/passwd", "/data/stores/a%20b.csv", "/data/stores/a:/b.db"),
)
OPTIONS = (
    *(
        "sslmode=require",
        "sslmode=x",
        "sslkeylogfile=/x",
        "host=evil.example",
        "%68ost=evil",
        "options=-csearch_path%3Dx",
    ),
    *(
        "options=-c%20search_path=x",
        "options=-clog_file%3Dx",
        "connect_timeout=5",
        "uri=true",
        "mode=rwc",
        "a",
        "",
        ";host=x",
    ),
    *("passfile=/x", "application_name=a-b", "service=x", "port=1", "dbname=host%3Devil"),
)
JUNK = st.text("az09/:@?#%&=;+.,[]()\\ \n\x00é~-_", max_size=6)


def assembled() -> st.SearchStrategy[str]:
    """URIs of those pieces, some with junk in between."""
    query = st.lists(st.sampled_from(OPTIONS), max_size=3).map(
        lambda options: "?" + "&".join(options) if options else ""
    )
    end = st.sampled_from(("", "", "", "#", "#?host=x", "?"))
    parts = (st.sampled_from(SCHEMES), st.sampled_from(AUTHORITIES), st.sampled_from(PATHS), query, end)
    clean = st.tuples(*parts).map(lambda part: f"{part[0]}://{part[1]}{part[2]}{part[3]}{part[4]}")
    dirty = st.tuples(*parts, JUNK, JUNK).map(
        lambda part: f"{part[0]}://{part[1]}{part[5]}{part[2]}{part[6]}{part[3]}{part[4]}"
    )
    return st.one_of(clean, clean, clean, dirty)


@pytest.fixture(scope="module", autouse=True)
def environment() -> Iterator[None]:
    """What the bridge hands over to each job."""
    with mock.patch.dict(os.environ, ENVIRONMENT):
        yield


def refuses(check: Callable[..., object], *arguments: object) -> bool:
    try:
        check(*arguments)
    except ValueError:
        return True
    return False


MANY = effort(max_examples=20_000, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))


@given(uri=assembled())
@MANY
def test_they_agree_on_targets_and_sources(uri: str) -> None:
    is_target, is_source = not refuses(store.check, uri), not refuses(sources.check, uri)
    assert is_target is not refuses(uris.check_target, uri, TARGETS)
    assert is_source is not refuses(uris.check_source, uri, SOURCES)
    if is_target:
        _leads_where_it_says(uri)


def _leads_where_it_says(uri: str) -> None:
    """By the library that opens it."""
    url = store.url_of(uri)
    authority = uri.partition("://")[2].partition("/")[0].partition("?")[0]
    if url.get_backend_name() == "sqlite":
        assert (url.host, url.query) == (None, {})
        path = os.path.normpath(url.database or "")
        assert path.startswith(tuple(f"{folder}/" for folder in FOLDERS)), url.database
        return
    assert url.host is not None
    assert host_of(url.host) == host_of(authority)
    assert url.query.keys() <= uris.TARGET_OPTIONS["postgresql"].keys()
    assert all(isinstance(value, str) and "/" not in value for value in url.query.values())


def test_the_fuzz_accepts_something() -> None:
    """Or else it would show nothing."""
    accepted: dict[str, int] = {"target": 0, "source": 0}

    @given(uri=assembled())
    @effort(max_examples=2000, derandomize=True, deadline=None)
    def count(uri: str) -> None:
        accepted["target"] += not refuses(store.check, uri)
        accepted["source"] += not refuses(sources.check, uri)

    count()
    assert min(accepted.values()) > 20, accepted


@pytest.mark.parametrize("name", ["file.db", "folder/file.db"])
def test_a_link_leads_out_of_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    stores, elsewhere = tmp_path / "stores", tmp_path / "elsewhere"
    stores.mkdir()
    elsewhere.mkdir()
    (stores / "file.db").symlink_to(elsewhere / "file.db")
    (stores / "folder").symlink_to(elsewhere)
    monkeypatch.setenv("EXTRACTOR_TARGET_FOLDERS", str(stores))
    with pytest.raises(ExtractorError, match="outside of the folders"):
        store.connect(f"sqlite:///{stores}/{name}")
    assert list(elsewhere.iterdir()) == []


def test_a_job_without_open_folders_opens_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXTRACTOR_TARGET_FOLDERS", "")
    with pytest.raises(ValueError, match="outside of the folders"):
        store.check(f"sqlite:///{tmp_path}/a.db")
