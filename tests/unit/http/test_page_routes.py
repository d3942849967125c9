"""The page for people: its files, and what it needs to know beside jobs."""

import gzip
import re
import time
from collections.abc import Iterator
from pathlib import Path

import falcon.testing
import pytest

from bridge.cli import main as cli
from bridge.core.deadline import Deadline
from bridge.core.scopes import Scope
from bridge.http.page.files import INDEX, page_files
from bridge.http.resources.page import SECURITY_POLICY
from bridge.jobs.status.explanations import STATES
from tests.support.application import running_application
from tests.support.memory_gateway import MemoryGateway
from tests.support.samples import OUTPUT_FOLDER, QAQC_BODY, descriptor, settings
from tests.support.waiting import wait_until

Client = falcon.testing.TestClient
COMPRESSED_MAX_BYTES = 150 * 1024
FILES = page_files()
LOADED = re.compile(r"""(?:href|src)="page/([^"]+)"|from "\./([^"]+)\"""")


@pytest.fixture
def gateway() -> MemoryGateway:
    return MemoryGateway()


@pytest.fixture
def client(gateway: MemoryGateway) -> Iterator[Client]:
    with running_application(gateway, settings(request_timeout_seconds=2)) as client:
        yield client


def address(name: str) -> str:
    return "/" if name == INDEX else f"/page/{name}"


@pytest.mark.parametrize("name", FILES)
def test_each_file_is_there_and_asked_for_anew(client: Client, name: str) -> None:
    answer = client.simulate_get(address(name))
    assert (answer.content, answer.headers["content-type"]) == (FILES[name].text.data, FILES[name].media_type)
    assert answer.headers["content-security-policy"] == SECURITY_POLICY
    compressed = client.simulate_get(address(name), headers={"Accept-Encoding": "gzip, br"})
    assert gzip.decompress(compressed.content) == answer.content
    known = client.simulate_get(address(name), headers={"If-None-Match": answer.headers["etag"]})
    assert (known.status_code, known.content, known.headers["vary"]) == (304, b"", "Accept-Encoding")


@pytest.mark.parametrize("name", ["nothing.js", "..%2ffiles.py", "LICENSES.txt", ""])
def test_there_are_no_other_files(client: Client, name: str) -> None:
    assert client.simulate_get(f"/page/{name}").status_code == 404


def test_the_page_loads_its_own_files_and_all_of_them() -> None:
    named = {
        name for file in FILES.values() for names in LOADED.findall(file.text.data.decode()) for name in names if name
    }
    assert named == FILES.keys() - {INDEX}


def test_all_of_it_is_small() -> None:
    assert sum(len(file.text.compressed) for file in FILES.values()) <= COMPRESSED_MAX_BYTES


def test_nothing_in_it_is_inline_and_no_host_is_named() -> None:
    for name, file in FILES.items():
        text = file.text.data.decode()
        assert not re.search(r"\sstyle=|<style|\son[a-z]+=\"|javascript:|<script(?![^>]*\ssrc=)", text), name
        assert set(re.findall(r"https?://[\w.]+", text)) <= {"http://www.w3.org"}, name  # names of SVG and XHTML


def test_every_state_of_slurm_has_its_group() -> None:
    groups = FILES["words.js"].text.data.decode().partition("const GROUP_OF")[0]
    assert set(re.findall(r'"([A-Z_]+)"', groups)) == STATES


def test_without_tokens_everybody_may_do_everything(client: Client) -> None:
    assert client.simulate_get("/whoami").json == {"name": None, "scopes": sorted(Scope)}


def test_a_caller_is_told_name_and_scopes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "tokens"
    arguments = ["token", "create", "--token-file", str(file), "--name"]
    tokens = []
    for name, scopes in (("ada", ["read", "cancel"]), ("bob", ["submit"])):
        cli.main([*arguments, name, *(word for scope in scopes for word in ("--scope", scope))])
        tokens.append({"Authorization": f"Bearer {capsys.readouterr().out.strip()}"})
    with running_application(MemoryGateway(), settings(token_file=file)) as client:
        answer = client.simulate_get("/whoami", headers=tokens[0])
        assert answer.json == {"name": "ada", "scopes": ["cancel", "read"]}
        assert client.simulate_get("/whoami", headers=tokens[1]).status_code == 403
        assert client.simulate_get("/whoami").status_code == 401
        assert client.simulate_get("/").status_code == 200


def test_the_history_tells_how_jobs_ended(client: Client, gateway: MemoryGateway) -> None:
    job_ids = [gateway.submit(descriptor(OUTPUT_FOLDER), Deadline.after(1)) for _ in range(3)]
    now = int(time.time())
    for job_id, state in zip(job_ids, ("COMPLETED", "FAILED"), strict=False):
        gateway.put(job_id, {"state": state, "start_time": now, "end_time": now + 2, "nodes": "n1"})
    for span, step_seconds in (("hour", 60), ("day", 600)):
        wait_until(lambda: client.simulate_get("/history").json["last_hour"]["failed"] == 1, "the end is seen")
        history = client.simulate_get("/history", query_string=f"span={span}").json
        ends = {"ended_well": 1, "failed": 1, "cancelled": 0, "unseen": 0}
        assert (history["waiting"], history["running"], history["current"]) == (1, 0, True)
        assert (history["last_hour"], history["last_day"]) == (ends, ends)
        assert history["step_seconds"] == step_seconds
        period = history["periods"][-1]
        assert period["run_seconds"] == {"mean": 2.0, "longest": 2}
        assert period["ended_well"] == 1


def test_an_outage_is_told(client: Client, gateway: MemoryGateway) -> None:
    assert client.simulate_get("/history").json["current"]
    gateway.is_dead = True
    wait_until(lambda: not client.simulate_get("/history").json["current"], "the outage is seen")
    gateway.is_dead = False
    wait_until(lambda: client.simulate_get("/history").json["current"], "its end is seen")


def test_there_is_no_history_before_the_first_look(gateway: MemoryGateway) -> None:
    gateway.is_dead = True
    with running_application(gateway, settings(request_timeout_seconds=1)) as client:
        answer = client.simulate_get("/history")
        assert (answer.status_code, answer.json["type"]) == (503, "urn:tsm-slurm-bridge:controller-unreachable")


def test_a_list_has_a_tag_until_it_changes(client: Client, gateway: MemoryGateway) -> None:
    job_id = gateway.submit(descriptor(OUTPUT_FOLDER), Deadline.after(1))
    wait_until(lambda: client.simulate_get("/jobs").json["jobs"], "the job is seen")
    tag = client.simulate_get("/jobs").headers["etag"]
    unchanged = client.simulate_get("/jobs", headers={"If-None-Match": tag})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert client.simulate_get("/jobs?kind=qaqc", headers={"If-None-Match": tag}).status_code == 200
    gateway.put(job_id, {"state": "RUNNING", "nodes": "n1"})
    wait_until(
        lambda: client.simulate_get("/jobs", headers={"If-None-Match": tag}).status_code == 200, "the change is seen"
    )


def test_jobs_are_found_by_caller(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "tokens"
    tokens = {}
    for name in ("ada", "bob"):
        cli.main(["token", "create", "--token-file", str(file), "--name", name, "--scope", "read", "--scope", "submit"])
        tokens[name] = {"Authorization": f"Bearer {capsys.readouterr().out.strip()}"}
    with running_application(MemoryGateway(), settings(token_file=file)) as client:
        for headers in tokens.values():
            client.simulate_post("/qaqc/run", json=QAQC_BODY, headers=headers)
        for name in tokens:
            jobs = client.simulate_get(f"/jobs?caller={name}", headers=tokens["ada"]).json["jobs"]
            assert [job["caller"] for job in jobs] == [name]
        assert client.simulate_get("/jobs?caller=a%20b", headers=tokens["ada"]).status_code == 422
