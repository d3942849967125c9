"""`tsm-bridge submit batch`, on the real application behind real HTTP."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.cli import main as cli
from bridge.cli.exit_codes import ExitCode
from tests.support.memory_gateway import MemoryGateway
from tests.support.samples import PARSE_BODY, QAQC_BODY, settings
from tests.support.served_application import served_application


@pytest.fixture
def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryGateway]:
    gateway = MemoryGateway()
    with served_application(gateway, settings(output_folder=tmp_path)) as served:
        monkeypatch.setenv("TSM_BRIDGE_URL", served.url)
        yield gateway


def lines(count: int) -> str:
    return "\n".join(json.dumps({**PARSE_BODY, "source": f"https://s.example/{n}"}) for n in range(count)) + "\n\n"


def test_each_line_is_a_job(gateway: MemoryGateway, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "items.jsonl"
    file.write_text(lines(5))
    for _ in range(2):
        assert cli.main(["submit", "batch", "--key=k", "--size=2", str(file)]) == ExitCode.OK
        assert capsys.readouterr().out.split() == ["1_0", "1_1", "2_0", "2_1", "3_0"]
    assert {job.nice for job in gateway.descriptors.values()} == {1_000_000}
    assert len(gateway.descriptors) == 3


def test_standard_input_as_json(
    gateway: MemoryGateway, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(QAQC_BODY)))
    assert cli.main(["submit", "batch", "--kind=qaqc", "--lane=live", "--json", "-"]) == ExitCode.OK
    printed = json.loads(capsys.readouterr().out)
    assert (printed["kind"], printed["lane"], printed["jobs"]) == ("qaqc", "live", [{"index": 0, "job_id": "1_0"}])


@pytest.mark.parametrize("text", ["{", "[]", lines(1) + "no"], ids=["no-json", "a-list", "the-third"])
def test_a_line_that_is_no_object_submits_nothing(
    gateway: MemoryGateway, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    file = tmp_path / "items.jsonl"
    file.write_text(text)
    assert cli.main(["submit", "batch", str(file)]) == ExitCode.USAGE
    assert "is no JSON object" in capsys.readouterr().err
    assert gateway.descriptors == {}


def test_a_refused_item_is_told(gateway: MemoryGateway, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "items.jsonl"
    file.write_text(json.dumps({**PARSE_BODY, "parser": "a;b"}))
    assert cli.main(["submit", "batch", str(file)]) == ExitCode.REFUSED
    assert "items.0.parser" in capsys.readouterr().err
    assert gateway.descriptors == {}
