"""From the POST to data in a datastore: real Slurm, real extractor, real file, real PostgreSQL and MQTT broker."""

import json
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support import mosquitto, postgresql
from tests.support.bridge_process import ROOT, Bridge, owned_folder, running_bridge, service_environment
from tests.support.private_slurm import PrivateSlurm
from tests.support.samples import THING, of_each_kind
from tests.support.sites import serving as serving_site
from tests.support.static_http import StaticHttp, serving

DENIED = "127.0.0.2"
EXTRACTOR_PYTHON = "/opt/extractor/bin/python"
OBSERVATIONS = 8759  # of container/demo/sf-temps.csv
OUTSIDE = 40 + 1126  # of them below 46, above 65: what the demo's flagRange has to find

Query = Callable[[str], int]


@pytest.fixture(scope="module")
def broker() -> Iterator[mosquitto.Mosquitto]:
    with mosquitto.running() as broker:
        yield broker


@pytest.fixture(scope="module")
def source() -> Iterator[StaticHttp]:
    with serving(ROOT / "container" / "demo") as source:
        yield source


@pytest.fixture(scope="module")
def bridge(slurm: PrivateSlurm, broker: mosquitto.Mosquitto, shared_folder: Path) -> Iterator[Bridge]:
    environment = service_environment(
        slurm,
        shared_folder,
        [EXTRACTOR_PYTHON, str(ROOT / "extractor" / "main.py")],
        **of_each_kind("memory_mib", "1024"),
        BRIDGE_DENIED_HOSTS=json.dumps([DENIED]),
        BRIDGE_SOURCE_SCHEMES=json.dumps(["file", "http"]),
        BRIDGE_TARGET_FOLDERS=json.dumps([str(shared_folder / "output" / "stores")]),
        BRIDGE_SOURCE_FOLDERS=json.dumps([str(shared_folder / "sources")]),
        MQTT_BROKER=broker.address,
        MQTT_USER=broker.user,
        MQTT_PASSWORD=broker.password,
    )
    with running_bridge(shared_folder, environment) as bridge:
        yield bridge


@pytest.fixture(scope="module", params=["postgresql", "sqlite"])
def datastore(request: pytest.FixtureRequest, shared_folder: Path) -> Iterator[tuple[str, Query]]:
    """The URI of a datastore that knows the demo's thing, and a way to count in it."""
    if request.param == "sqlite":
        path = owned_folder(shared_folder / "output" / "stores") / "store.db"
        uri = f"sqlite:///{path}"
        seed(uri)
        with closing(sqlite3.connect(path)) as store:
            yield uri, lambda query: int(store.execute(query).fetchone()[0])
        return
    with postgresql.running() as server:
        uri = server.uri(server.create_database())
        seed(uri)
        with psycopg.connect(uri, autocommit=True) as connection:
            yield uri, lambda query: int(connection.execute(query.encode()).fetchall()[0][0])


def seed(uri: str) -> None:
    """Make the demo's thing known, as the user that jobs run as."""
    subprocess.run(
        [EXTRACTOR_PYTHON, "container/demo/seed.py", uri],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        user="sontsm",
        group="sontsm",
        extra_groups=[],
        check=True,
    )


def run(bridge: Bridge, path: str, **body: str) -> dict[str, Any]:
    """Submit, wait, and return the finished job; its standard error is shown where it failed."""
    answer = bridge.post(path, {"thing_uuid": THING, **body})
    assert answer.status == 202, answer.body
    return bridge.wait_until_finished(answer.body["job_id"], seconds=120)


def errors_of(job: dict[str, Any], shared_folder: Path) -> str:
    return (shared_folder / "output" / f"{job['kind']}-{job['job_id']}.err").read_text()


def test_a_file_is_parsed_checked_and_announced(
    bridge: Bridge,
    broker: mosquitto.Mosquitto,
    source: StaticHttp,
    datastore: tuple[str, Query],
    shared_folder: Path,
) -> None:
    uri, count = datastore
    parse = {"parser": "CsvParser", "target": uri, "source": source.url("sf-temps.csv", "X-Amz-Signature=canary")}
    with mosquitto.subscribed(broker) as messages:
        job = run(bridge, "/extractor/run", **parse)
        assert job["state"] == "COMPLETED", errors_of(job, shared_folder)
        messages.wait_for(lambda topic, message: topic == "data_parsed" and message["thing_uuid"] == THING)
        assert messages.on("data_parsed") == [{"thing_uuid": THING, "db_uri": uri}]
        assert messages.on(f"logging/{THING}")
    assert count("SELECT count(*) FROM observation") == OBSERVATIONS
    assert count("SELECT count(DISTINCT result_time) FROM observation") == OBSERVATIONS
    assert count("SELECT count(*) FROM observation WHERE result_quality IS NOT NULL") == 0

    job = run(bridge, "/qaqc/run", target=uri)
    assert job["state"] == "COMPLETED", errors_of(job, shared_folder)
    assert count("SELECT count(*) FROM observation WHERE result_quality IS NULL") == 0
    assert count(labelled_as_flagged("result_number < 46 OR result_number > 65")) == OUTSIDE
    assert count(labelled_as_flagged("result_number BETWEEN 46 AND 65")) == 0

    job = run(bridge, "/extractor/run", **parse)
    assert job["state"] == "COMPLETED", errors_of(job, shared_folder)
    assert count("SELECT count(*) FROM observation") == OBSERVATIONS
    assert not [path for path in (shared_folder / "output").glob("*.[oe][ur][tr]") if "canary" in path.read_text()]


def labelled_as_flagged(condition: str) -> str:
    label = "CAST(result_quality AS TEXT)"
    return f"SELECT count(*) FROM observation WHERE ({condition}) AND {label} LIKE '%flagRange%'"  # noqa: S608


@pytest.mark.parametrize(
    ("changes", "exit_code", "line"),
    [
        pytest.param({"parser": "NoSuchParser"}, 2, "NoSuchParser", id="unknown-parser"),
        pytest.param({"thing_uuid": "ce2b4fb6-d9de-11eb-a236-000000000000"}, 1, "000000000000", id="unknown-thing"),
        pytest.param({"source": "http://127.0.0.1:9/file.csv?signature=canary"}, 75, "127.0.0.1", id="no-source"),
    ],
)
def test_a_job_that_cannot_work_says_why(
    bridge: Bridge,
    source: StaticHttp,
    datastore: tuple[str, Query],
    shared_folder: Path,
    changes: dict[str, str],
    exit_code: int,
    line: str,
) -> None:
    body = {"parser": "CsvParser", "target": datastore[0], "source": source.url("sf-temps.csv"), **changes}
    job = run(bridge, "/extractor/run", **body)
    assert (job["state"], job["exit_code"]) == ("FAILED", exit_code)
    hint = ", which says that it may succeed if it runs again" if exit_code == 75 else ""
    assert job["explanation"] == f"failed with exit code {exit_code}{hint}: its standard error says why"
    said = errors_of(job, shared_folder)
    assert line in said
    assert "Traceback" not in said
    assert "canary" not in said


def test_a_source_that_leads_to_a_denied_host(
    bridge: Bridge, datastore: tuple[str, Query], shared_folder: Path
) -> None:
    with serving_site("127.0.0.1") as open_site, serving_site(DENIED) as denied_site:
        body = {"parser": "CsvParser", "target": datastore[0], "thing_uuid": THING}
        refused = bridge.post("/extractor/run", {**body, "source": f"{denied_site.url}/f.csv"})
        assert refused.status == 422
        assert refused.body["errors"] == [{"field": "source", "message": "names a host that is denied here"}]

        open_site.moved["/f.csv"] = f"{denied_site.url}/credentials?key=canary"
        job = run(bridge, "/extractor/run", **{**body, "source": f"{open_site.url}/f.csv"})
        assert (open_site.asked, denied_site.asked) == (["/f.csv"], [])
    assert (job["state"], job["exit_code"]) == ("FAILED", 1)
    said = errors_of(job, shared_folder)
    assert f"cannot read {open_site.url}/f.csv: {denied_site.url}/credentials names a host that is denied here" in said
    assert "canary" not in said


def test_a_file_of_the_node(bridge: Bridge, datastore: tuple[str, Query], shared_folder: Path) -> None:
    folder = shared_folder / "sources"
    folder.mkdir(exist_ok=True)
    body = {"parser": "CsvParser", "target": datastore[0], "thing_uuid": THING}
    assert bridge.post("/extractor/run", {**body, "source": f"file://{folder}/../slurm.conf"}).status == 422

    for name, leads_to in (("inside.csv", folder / "year.csv"), ("outside.csv", ROOT / "container/demo/sf-temps.csv")):
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(leads_to)
    shutil.copy(ROOT / "container" / "demo" / "sf-temps.csv", folder / "year.csv")
    job = run(bridge, "/extractor/run", **{**body, "source": f"file://{folder}/inside.csv"})
    assert job["state"] == "COMPLETED", errors_of(job, shared_folder)
    job = run(bridge, "/extractor/run", **{**body, "source": f"file://{folder}/outside.csv"})
    assert (job["state"], job["exit_code"]) == ("FAILED", 1)
    assert "outside of the folders" in errors_of(job, shared_folder)
