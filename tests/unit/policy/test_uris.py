"""What a target may say besides its host, which files it may name, and what a source may not hold."""

from pathlib import Path

import pytest

from bridge.policy.hosts import HostRules
from bridge.policy.uris import UriRules, check_source, check_target

ROOT = Path(__file__).parents[3]
ANYWHERE = HostRules.of(None, ())
TARGETS = UriRules(
    frozenset({"mysql", "oracle", "postgresql", "postgresql+psycopg", "sqlite", "sqlite+pysqlite"}),
    ANYWHERE,
    (Path("/data/stores"), Path("/data/more")),
)
SOURCES = UriRules(frozenset({"http", "https"}), ANYWHERE)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param("sslmode=verify-full", id="tls"),
        pytest.param("connect_timeout=5&application_name=tsm-1&target_session_attrs=read-write", id="several"),
        pytest.param("options=-csearch_path%3Dstation", id="schema"),
        pytest.param("options=-c%20search_path=a,b_1", id="schemas-after-a-blank"),
        pytest.param("channel_binding=require", id="channel-binding"),
    ],
)
def test_options_that_are_taken(options: str) -> None:
    for scheme in ("postgresql", "POSTGRESQL", "postgresql+psycopg"):
        check_target(f"{scheme}://u:p@h/d?{options}", TARGETS)
        check_target(f"{scheme}://u:p@h?{options}", TARGETS)


@pytest.mark.parametrize(
    "options",
    [
        # Libpq writes to the first, and reads the others.
        pytest.param("sslkeylogfile=/var/lib/slurm-bridge/tokens.json", id="file-that-is-written"),
        pytest.param("sslmode=require&sslkeylogfile=/x", id="file-after-another-option"),
        pytest.param("passfile=/x", id="password-file"),
        pytest.param("sslkey=/x", id="key"),
        pytest.param("sslcert=/x", id="certificate"),
        pytest.param("sslrootcert=/x", id="root-certificate"),
        pytest.param("sslcrldir=/x", id="revocations"),
        pytest.param("requirepeer=x", id="peer"),
        pytest.param("host=169.254.1.1", id="host"),
        pytest.param("hostaddr=1.1.1.1", id="hostaddr"),
        pytest.param("port=1", id="port"),
        pytest.param("%68ost=x", id="percent-encoded"),
        pytest.param("HOST=x", id="capitals"),
        pytest.param("sslmode=require;host=x", id="after-semicolon"),
        pytest.param("host", id="without-value"),
        pytest.param("service=x", id="service"),
        pytest.param("conninfo=hostaddr%3D1.1.1.1", id="conninfo"),
        pytest.param("", id="empty"),
        pytest.param("sslmode=require&", id="empty-at-the-end"),
        pytest.param("sslmode=require&sslmode=disable", id="twice"),
        pytest.param("sslmode=sure", id="unknown-value"),
        pytest.param("options=-clog_file%3Dx", id="other-setting"),
        pytest.param("options=-csearch_path%3Da%20-clog_file%3Dx", id="second-setting"),
        pytest.param("connect_timeout=x", id="no-number"),
        pytest.param("sslmode=require?host=x", id="second-question-mark"),
    ],
)
def test_options_that_are_refused(options: str) -> None:
    for scheme in ("postgresql", "postgresql+psycopg"):
        with pytest.raises(ValueError, match=r"may have these options|a value of `") as caught:
            check_target(f"{scheme}://u:p@h/d?{options}", TARGETS)
        assert "/x" not in str(caught.value)


@pytest.mark.parametrize(
    "uri",
    [
        pytest.param("oracle://h/?https_proxy=x", id="oracle-proxy"),
        pytest.param("oracle://h/?service_name=x)(HOST=y", id="oracle-address-in-a-service"),
        pytest.param("oracle://h/?config_dir=/x", id="oracle-file"),
        pytest.param("mysql://h/d?unix_socket=/x", id="database-without-a-list"),
    ],
)
def test_options_of_other_databases(uri: str) -> None:
    with pytest.raises(ValueError, match=r"may have these options|a value of `"):
        check_target(uri, TARGETS)


def test_the_path_names_no_server() -> None:
    for path in ("host=evil", "host%3Devil", "a)(HOST=b"):
        with pytest.raises(ValueError, match="no parentheses and no ="):
            check_target(f"postgresql://h/{path}", TARGETS)


@pytest.mark.parametrize(
    ("uri", "is_open"),
    [
        pytest.param("sqlite:////data/stores/a.db", True, id="below"),
        pytest.param("sqlite:////data/more/deep/a.db", True, id="below-another"),
        pytest.param("SQLITE:////data/stores/a.db", True, id="capitals"),
        pytest.param("sqlite+pysqlite:////data/stores/a.db", True, id="with-driver"),
        pytest.param("sqlite:////data/stores", False, id="the-folder"),
        pytest.param("sqlite:////data/stores/", False, id="the-folder-with-a-slash"),
        pytest.param("sqlite:////data/storesmore/a.db", False, id="same-beginning"),
        pytest.param("sqlite:////data/stores/../x", False, id="above"),
        pytest.param("sqlite:////data/stores/%2e%2e/x", False, id="above-percent-encoded"),
        pytest.param("sqlite:////var/lib/slurm-bridge/tokens.json", False, id="elsewhere"),
        pytest.param("sqlite:///data/stores/a.db", False, id="relative"),
        pytest.param("sqlite://///data/stores/a.db", False, id="five-slashes"),
        pytest.param("sqlite://", False, id="no-file"),
        pytest.param("sqlite:///", False, id="no-file-but-a-slash"),
        pytest.param("sqlite:///:memory:", False, id="in-memory"),
        pytest.param("sqlite:///file:/x?uri=true", False, id="sqlites-own-uri"),
        pytest.param("sqlite:////data/stores/a.db?mode=rwc", False, id="option"),
        pytest.param("sqlite:////data/stores/a.db#x", False, id="fragment"),
        pytest.param("sqlite://h/data/stores/a.db", False, id="host"),
        pytest.param("sqlite://u:/data/stores/@h//x", False, id="user"),
    ],
)
def test_sqlite_files(uri: str, is_open: bool) -> None:
    if is_open:
        check_target(uri, TARGETS)
    else:
        with pytest.raises(ValueError, match=r"outside of the folders|by a full path"):
            check_target(uri, TARGETS)


@pytest.mark.parametrize("source", ["http://h/file#1.csv", "https://h/#", "https://h?a#b", "https://h#f"])
def test_what_a_source_says_is_what_is_fetched(source: str) -> None:
    with pytest.raises(ValueError, match="percent-encode each #"):
        check_source(source, SOURCES)
    check_source(source.replace("#", "%23") if "/" in source[8:] else "https://h:/", SOURCES)


def test_the_extractor_has_the_same_rules() -> None:
    for name in ("uris.py", "hosts.py"):
        assert (ROOT / "extractor" / name).resolve() == ROOT / "bridge" / "policy" / name
