"""Each bad input: one clear line, the right exit code, and no secret."""

from pathlib import Path
from typing import Any

import pytest

from extractor import store
from tests.extractor import things
from tests.support.postgresql import PostgreSQL
from tests.support.static_http import StaticHttp

GOOD = {"-p": "CsvParser", "-t": "sqlite:////tmp/x", "-s": "http://h/f", "-d": things.UUID_TEXT, "-m": "None"}


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'data.sqlite'}"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"-p": "XmlParser"}, "'XmlParser' is not", id="unknown parser"),
        pytest.param({"-t": "canary"}, "must start with one of", id="target is no URI"),
        pytest.param({"-t": "oracle://u:canary@h/d"}, "must start with one of postgresql", id="target scheme"),
        pytest.param({"-t": "sqlite://"}, "must name its file by a full path", id="target in memory"),
        pytest.param({"-t": "postgresql://u:canary@h:port/d"}, "its host or port is malformed", id="target port"),
        pytest.param({"-t": "postgresql://h/d?sslkeylogfile=/canary"}, "may have these options", id="names a file"),
        pytest.param({"-t": "postgresql://h/d?host=/canary"}, "may have these options", id="another server"),
        pytest.param(
            {"-t": "postgresql://h/d?options=-clog_file%3Dcanary"},
            "a value of `options` that is not taken",
            id="other setting",
        ),
        pytest.param({"-t": "sqlite:////d?uri=canary"}, "without options", id="SQLite's options"),
        pytest.param({"-s": "ftp://u:canary@h/f"}, "must start with one of", id="source scheme"),
        pytest.param({"-s": "http:///f?canary"}, "must name a host", id="source without host"),
        pytest.param({"-s": "http://h:port/f?canary"}, "its host or port is malformed", id="source port"),
        pytest.param(
            {"-s": "file:///etc/passwd"}, "outside of the folders that are open to sources", id="file not enabled"
        ),
        pytest.param({"-d": "17"}, "'17' is not a valid UUID", id="UUID"),
        pytest.param({"-m": "h:0"}, "'h:0' is not HOST:PORT", id="broker"),
        pytest.param({"-m": "h:1883"}, "-u/--mqtt-user and -pw/--mqtt-password are required", id="no account"),
        pytest.param({"-m": None}, "Missing option '-m'", id="no broker"),
        pytest.param({"-s": None}, "Missing option '-s'", id="no source"),
    ],
)
def test_usage(changes: dict[str, str | None], message: str) -> None:
    options = [part for pair in (GOOD | changes).items() if pair[1] is not None for part in pair if part is not None]
    done = things.command("parse", *options)
    assert message in things.failed(done, 2)
    assert "canary" not in done.stdout + done.stderr


def test_a_target_chooses_its_schema(postgresql_server: PostgreSQL) -> None:
    target = postgresql_server.uri(postgresql_server.create_database())
    with store.connect(target).begin() as connection:
        connection.exec_driver_sql("CREATE SCHEMA station")
    target += "?sslmode=prefer&connect_timeout=5&options=-csearch_path%3Dstation"
    things.add(target, None)
    assert "has no QAQC settings: nothing to do" in things.succeeded(things.run_qaqc(target))
    with store.connect(target).connect() as connection:
        assert connection.exec_driver_sql("SELECT 'station.thing'::regclass::oid > 0").scalar_one()


def test_options_come_from_the_environment_too(sqlite: str) -> None:
    options = ["run-qaqc", "--target-uri", sqlite, "--device-id", things.UUID_TEXT]
    things.add(sqlite, None)
    assert "has no QAQC settings: nothing to do" in things.succeeded(things.command(*options, MQTT_BROKER="None"))
    account = {"MQTT_BROKER": "127.0.0.1:1", "MQTT_USER": "u", "MQTT_PASSWORD": "canary", "VERBOSE": "true"}
    log = things.succeeded(things.command(*options, **account))
    assert "MQTT broker 127.0.0.1:1 cannot be reached" in log
    assert "canary" not in log


def test_list_and_version() -> None:
    assert "CsvParser" in things.command("list").stdout
    assert things.command("version").stdout == "1.0.0\n"


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        pytest.param(None, "has no parser settings", id="nothing"),
        pytest.param(
            {"parsers": [{"type": "X"}]}, "no settings for CsvParser: its properties.parsers has X", id="other"
        ),
        pytest.param(things.csv_parser(header=None), "header: Field required", id="missing key"),
        pytest.param(things.csv_parser(sep=";"), "sep: Extra inputs are not permitted", id="unknown key"),
        pytest.param(things.csv_parser(header="1"), "header: Input should be a valid integer", id="type"),
        pytest.param(things.csv_parser(encoding="utf-99"), "no encoding of texts is called 'utf-99'", id="encoding"),
        pytest.param({"parsers": [{"type": "CsvParser"}]}, "settings: Input should be", id="no settings"),
    ],
)
def test_parser_settings(sqlite: str, properties: dict[str, Any] | None, message: str) -> None:
    things.add(sqlite, properties)
    assert message in things.failed(things.parse(sqlite, "http://127.0.0.1:1/f"), 1)


@pytest.mark.parametrize(
    ("test", "message"),
    [
        pytest.param({"position": 1}, "tests.0.function: Field required", id="no function"),
        pytest.param({"position": 1, "function": "f", "kwarg": {}}, "tests.0.kwarg: Extra inputs", id="unknown key"),
        pytest.param(
            {"position": 1, "function": "flagNothing"}, "tests.0.function: 'flagNothing' is not one of", id="unknown"
        ),
        pytest.param(
            {"position": 1, "function": "__init__"}, "tests.0.function: '__init__' is not one of", id="attribute"
        ),
        pytest.param({"position": 1, "function": "plot"}, "'plot' is not one of", id="does not flag"),
        pytest.param(things.flag_range(mim=1), "tests.0.kwargs.mim: flagRange knows dfilter", id="unknown keyword"),
        pytest.param(
            {"position": 1, "function": "flagConstants", "kwargs": {"thresh": 1, "window": "soon"}},
            "tests.0.kwargs.window: 'soon': Not an offset reference",
            id="SaQC refuses",
        ),
    ],
)
def test_qaqc_settings(sqlite: str, files: Path, http: StaticHttp, test: dict[str, Any], message: str) -> None:
    things.add(sqlite, things.csv_parser() | things.qaqc(test))
    (files / "f.csv").write_text("t,a\n2026-01-01 00:00:00,1\n")
    things.succeeded(things.parse(sqlite, http.url("f.csv")))
    assert message in things.failed(things.run_qaqc(sqlite), 1)
    assert things.observations(sqlite)["result_quality"].isna().all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"default": 1}, "default is 1, but there are 1 configs", id="default"),
        pytest.param({"default": None}, "default: Input should be", id="default missing"),
        pytest.param({"configs": {}}, "configs: Input should be", id="configs"),
    ],
)
def test_qaqc_configs(sqlite: str, changes: dict[str, Any], message: str) -> None:
    properties = things.qaqc(things.flag_range(max=1))
    things.add(sqlite, {"QAQC": properties["QAQC"] | changes})
    assert message in things.failed(things.run_qaqc(sqlite), 1)


@pytest.mark.parametrize("window", [-1, "-4D", "soon", True, 1.5])
def test_context_window(sqlite: str, window: int | str) -> None:
    things.add(sqlite, things.qaqc(things.flag_range(max=1), context_window=window))
    assert "configs.0.context_window: " in things.failed(things.run_qaqc(sqlite), 1)


def test_no_such_thing(target: str) -> None:
    assert f"no thing has the UUID {things.UUID_TEXT}" in things.failed(things.run_qaqc(target), 1)


def test_sources_that_cannot_be_read(sqlite: str, http: StaticHttp) -> None:
    things.add(sqlite, things.csv_parser())
    refused = "cannot read http://127.0.0.1:1/f: [Errno 111] Connection refused"
    for source, message, codes in (
        (http.url("absent.csv", "k=canary"), "the server answered 404", {1}),
        ("http://u:canary@127.0.0.1:1/f?k=canary", refused, {75}),
        # Where no name server can be asked, that may pass.
        ("http://no.such.host.invalid/f?k=canary", "cannot read http://no.such.host.invalid/f: ", {1, 75}),
    ):
        done = things.parse(sqlite, source)
        assert done.returncode in codes, done.stderr
        assert message in things.failed(done, done.returncode)
        assert "canary" not in done.stderr


def test_file_sources_stay_below_their_roots(sqlite: str, tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out.csv"
    inside.mkdir()
    for path in (outside, inside / "a file.csv"):
        path.write_text("t,a\n2026-01-01 00:00:00,1\n")
    (inside / "link.csv").symlink_to(outside)
    things.add(sqlite, things.csv_parser())

    def parse(path: str) -> Any:
        return things.parse(sqlite, f"file://{path}", EXTRACTOR_FILE_ROOTS=f"/nowhere:{inside}")

    things.succeeded(parse(f"{inside}/a%20file.csv"))
    for escape, code in ((f"{outside}", 2), (f"{inside}/link.csv", 1), (f"{inside}/../out.csv", 2)):
        assert "outside of the folders" in things.failed(parse(escape), code)
    assert "No such file" in things.failed(parse(f"{inside}/absent.csv"), 1)


@pytest.mark.parametrize("verbose", [False, True])
def test_database_errors_hide_the_password(postgresql_server: PostgreSQL, verbose: bool) -> None:
    target = postgresql_server.uri("absent").replace(postgresql_server.password, "canary%40wrong")
    flags = ["-v"] if verbose else []
    done = things.command(*flags, "run-qaqc", "-t", target, "-d", things.UUID_TEXT, "-m", "None")
    assert done.returncode == 1
    assert "password authentication failed" in done.stderr
    assert "canary" not in done.stderr
    assert ("Traceback" in done.stderr) is verbose
