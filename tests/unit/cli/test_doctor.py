"""The checks of `tsm-bridge doctor` that need no Slurm; tests/slurm/test_doctor.py plants faults on a real one."""

import json
import logging
import os
import resource
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bridge.auth.token_file import TokenEntry, TokenFile
from bridge.cli import main as cli
from bridge.core.scopes import Scope
from bridge.doctor.examination import warn_at_the_start
from bridge.doctor.findings import Finding, Level
from bridge.doctor.local_checks import local_checks, write_check
from bridge.doctor.slurm_checks import cluster_checks
from bridge.slurm.errors import submission_error
from bridge.slurm.messages import ClusterFacts
from tests.support.samples import of_each_kind, settings

OLD, FUTURE = datetime(2026, 1, 1, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC)
FACTS: dict[str, Any] = {
    "pyslurm_release": "25.11.2",
    "slurm_release": "25.11.7",
    "clock": 0,
    "booted_at": 2**40,
    "accounting_flags": (),
    "submit_plugins": (),
}


def about(check: str, **changes: Any) -> list[Finding]:
    return [finding for finding in local_checks(settings(**changes)) if finding.check == check]


def tokens(path: Path, **expiries: datetime | None) -> Path:
    with TokenFile(path).changing() as entries:
        entries[:] = [
            TokenEntry(name=name, digest="0" * 64, scopes=(Scope.READ,), created_at=OLD, expires_at=expires_at)
            for name, expires_at in expiries.items()
        ]
    return path


@pytest.mark.parametrize(
    ("expiries", "level", "text"),
    [
        pytest.param({"a": None, "b": FUTURE}, Level.GREEN, "2 tokens, none has expired", id="good"),
        pytest.param({"a": OLD, "b": FUTURE}, Level.YELLOW, "expired: a; these callers get 401", id="one-expired"),
        pytest.param({"a": OLD, "b": OLD}, Level.RED, "expired: a, b; these callers get 401", id="all-expired"),
        pytest.param({}, Level.YELLOW, "there is no token", id="none"),
    ],
)
def test_tokens(tmp_path: Path, expiries: dict[str, datetime | None], level: Level, text: str) -> None:
    (finding,) = about("token_file", token_file=tokens(tmp_path / "tokens", **expiries))
    assert (finding.level, finding.text) == (level, text)


def test_a_token_file_that_others_may_read(tmp_path: Path) -> None:
    file = tokens(tmp_path / "tokens", a=None)
    file.chmod(0o644)
    (finding,) = about("token_file", token_file=file)
    assert finding.level is Level.RED


def test_callers_without_tokens() -> None:
    (finding,) = about("token_file")
    assert (finding.level, finding.fix) == (Level.YELLOW, "set token_file")


@pytest.mark.parametrize(
    ("hosts", "level"),
    [
        pytest.param(None, Level.YELLOW, id="any"),
        pytest.param(["db.example.org"], Level.GREEN, id="some"),
        pytest.param([], Level.RED, id="none"),
    ],
)
def test_hosts(hosts: list[str] | None, level: Level) -> None:
    assert [finding.level for finding in about("target_hosts", target_hosts=hosts)] == [level]


def test_an_output_folder(tmp_path: Path) -> None:
    assert [finding.level for finding in about("output_folder", output_folder=tmp_path)] == [Level.GREEN]
    (missing,) = about("output_folder", output_folder=tmp_path / "missing")
    assert (missing.level, missing.text) == (Level.RED, f"{tmp_path}/missing is not a folder here")
    assert write_check(tmp_path).text.startswith((f"{tmp_path} can be written", ""))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("limit", "level"),
    [
        pytest.param((1024, 2048), Level.GREEN, id="may-be-raised"),
        pytest.param((256, 1024), Level.RED, id="too-low"),
        pytest.param(PermissionError(), Level.GREEN, id="sandbox-forbids-to-ask"),
    ],
)
def test_open_files(monkeypatch: pytest.MonkeyPatch, limit: tuple[int, int] | PermissionError, level: Level) -> None:
    def answer(_which: int) -> tuple[int, int]:
        if isinstance(limit, PermissionError):
            raise limit
        return limit

    monkeypatch.setattr(resource, "getrlimit", answer)
    monkeypatch.setattr(resource, "setrlimit", lambda *_limits: None)
    assert [finding.level for finding in about("max_connections")] == [level]


@pytest.mark.parametrize(
    ("changes", "check", "level"),
    [
        pytest.param({}, "pyslurm", Level.GREEN, id="one-release"),
        pytest.param({"slurm_release": "26.05.5"}, "pyslurm", Level.YELLOW, id="two-releases"),
        pytest.param({"clock": 10**10}, "clock", Level.RED, id="skew"),
        pytest.param({"submit_plugins": ("lua",)}, "JobSubmitPlugins", Level.YELLOW, id="plugin"),
        pytest.param({"booted_at": 0}, "slurm_conf_path", Level.YELLOW, id="conf-changed"),
    ],
)
def test_what_the_cluster_is(tmp_path: Path, changes: dict[str, Any], check: str, level: Level) -> None:
    conf = tmp_path / "slurm.conf"
    conf.touch()
    findings = cluster_checks(ClusterFacts(**{**FACTS, **changes}), settings(slurm_conf_path=conf))
    assert [finding.level for finding in findings if finding.check == check] == [level]


@pytest.mark.parametrize(
    ("code", "setting"),
    [
        pytest.param(2000, "`partition`", id="partition"),
        pytest.param(2014, "`memory_mib` or `cpus`", id="memory"),
        pytest.param(2045, "`account`", id="account"),
        pytest.param(2051, "`time_limit_minutes`", id="time-limit"),
        pytest.param(2066, "`qos`", id="qos"),
    ],
)
def test_a_refusal_names_the_setting(code: int, setting: str) -> None:
    assert f"The operator's setting {setting} for this kind of job" in str(submission_error(code, "no"))


def test_the_start_warns_of_what_is_red_and_of_nothing_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    warn_at_the_start(settings(output_folder=tmp_path))
    assert caplog.records == []
    warn_at_the_start(settings(output_folder=tmp_path / "missing", target_hosts=[]))
    told = [(record.levelname, vars(record)["check"]) for record in caplog.records]
    assert told == [("WARNING", "output_folder"), ("WARNING", "target_hosts")]
    assert vars(caplog.records[0])["fix"].startswith("install -d ")


def test_the_command_prints_each_finding_and_its_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in os.environ if name.startswith("BRIDGE_")]:
        monkeypatch.delenv(name)
    for name, value in of_each_kind("extractor_command", '["/opt/python", "/opt/main.py"]').items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("BRIDGE_OUTPUT_FOLDER", str(tmp_path / "missing"))
    monkeypatch.setenv("BRIDGE_SLURM_CONF_PATH", "/nowhere")
    assert cli.main(["doctor"]) == 1
    lines = capsys.readouterr().out.splitlines()
    place = lines.index(f"red     output_folder: {tmp_path}/missing is not a folder here")
    assert lines[place + 1].startswith("        -> install -d ")
    assert cli.main(["doctor", "--json"]) == 1
    documents = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"output_folder", "slurm_conf_path", "pyslurm"} <= {
        document["check"] for document in documents if document["level"] == "red"
    }
