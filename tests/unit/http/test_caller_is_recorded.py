"""Whose request it was stands in the job's comment and in the log, where callers have to say who they are."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import falcon.testing
import pytest

from bridge.cli import main as cli
from tests.support.application import running_application
from tests.support.memory_gateway import MemoryGateway
from tests.support.samples import QAQC_BODY, THING, settings


@pytest.fixture
def tokens(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """Of two callers who may submit."""
    tokens = {}
    for name in ("ada", "bob"):
        cli.main(["token", "create", "--token-file", str(tmp_path / "tokens"), "--name", name, "--scope", "submit"])
        tokens[name] = capsys.readouterr().out.strip()
    return tokens


@pytest.fixture
def gateway() -> MemoryGateway:
    return MemoryGateway()


@pytest.fixture
def client(gateway: MemoryGateway, tmp_path: Path, tokens: dict[str, str]) -> Iterator[falcon.testing.TestClient]:
    assert tokens
    with running_application(gateway, settings(token_file=tmp_path / "tokens")) as client:
        yield client


def submit(client: falcon.testing.TestClient, headers: dict[str, str]) -> falcon.testing.Result:
    return client.simulate_post("/qaqc/run", json=QAQC_BODY, headers=headers)


def test_the_caller_stands_in_the_comment_and_in_the_log(
    client: falcon.testing.TestClient,
    gateway: MemoryGateway,
    tokens: dict[str, str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO):
        assert submit(client, {"Authorization": f"Bearer {tokens['ada']}"}).status_code == 202
    assert json.loads(gateway.descriptors["1"].comment)["by"] == "ada"
    (request,) = [record for record in caplog.records if record.getMessage() == "request"]
    assert vars(request)["caller"] == "ada"
    assert tokens["ada"] not in repr([vars(record) for record in caplog.records])


def test_without_callers_nobody_is_named(gateway: MemoryGateway) -> None:
    with running_application(gateway, settings()) as client:
        assert submit(client, {}).status_code == 202
    assert "by" not in json.loads(gateway.descriptors["1"].comment)


@pytest.mark.parametrize("bobs_thing", [THING, str(UUID(int=7))], ids=["same-body", "other-body"])
def test_a_key_is_its_callers(
    client: falcon.testing.TestClient, gateway: MemoryGateway, tokens: dict[str, str], bobs_thing: str
) -> None:
    answers = [
        client.simulate_post(
            "/qaqc/run",
            json={**QAQC_BODY, "thing_uuid": thing},
            headers={"Authorization": f"Bearer {tokens[name]}", "Idempotency-Key": "k"},
        )
        for name, thing in [("ada", THING), ("bob", bobs_thing)] * 2
    ]
    assert [answer.status_code for answer in answers] == [202, 202, 200, 200]
    assert [answer.json["job_id"] for answer in answers] == ["1", "2", "1", "2"]
    assert [json.loads(job.comment)["by"] for job in gateway.descriptors.values()] == ["ada", "bob"]
