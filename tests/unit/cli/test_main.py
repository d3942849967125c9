"""The command line, started as people start it."""

import os
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from bridge.cli import main as cli
from bridge.config.settings import Settings
from bridge.http.server import serve as server
from tests.support.samples import of_each_kind

EXTRACTOR = of_each_kind("extractor_command", '["/opt/python", "/opt/main.py"]')


def run(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bridge", *arguments],
        env={**os.environ, **EXTRACTOR, "HOME": str(folder), **variables},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize(
    ("variables", "line", "status"),
    [
        pytest.param({"BRIDGE_TYPO": "1"}, "BRIDGE_TYPO: no setting has this name", 2, id="unknown"),
        pytest.param({"BRIDGE_SLURM_CONF_PATH": "/nowhere"}, "slurm_conf_path: cannot read", 75, id="no-slurm-conf"),
        pytest.param(
            {"BRIDGE_DIGEST_SECRET_PATH": "/dev/null"}, "digest_secret_path: others may read", 75, id="secret"
        ),
        pytest.param({"BRIDGE_TOKEN_FILE": "/nowhere"}, "token_file: /nowhere is not there", 75, id="no-token-file"),
        pytest.param({"BRIDGE_TOKEN_FILE": "/dev/null"}, "token_file: others may read or write", 75, id="token-file"),
        pytest.param({"BRIDGE_HOST": "0.0.0.0"}, "host: 0.0.0.0 can be reached from other", 2, id="exposed"),  # noqa: S104
        pytest.param({"BRIDGE_TEMPLATE_FOLDER": "/nowhere"}, "template_folder: a job script", 75, id="no-templates"),
    ],
)
def test_it_refuses_to_start_and_says_why(tmp_path: Path, variables: dict[str, str], line: str, status: int) -> None:
    """2 is for what the settings' text alone shows; supervisors try all else again."""
    done = run(tmp_path, "serve", **variables)
    assert done.returncode == status
    assert f"tsm-bridge: {line}" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_options_that_existing_installations_use(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in EXTRACTOR.items():
        monkeypatch.setenv(name, value)
    served: list[Settings] = []
    monkeypatch.setattr(server, "serve", served.append)
    arguments = ["--mqtt-broker", "h:1883", "--mqtt-user", "u", "--mqtt-password", "p", "--verbose", "--port", "5001"]
    monkeypatch.setattr("bridge.core.json_logs.configure_logging", lambda **_options: None)
    assert cli.main(["serve", *arguments]) == 0
    (settings,) = served
    assert (settings.mqtt_broker, settings.mqtt_user, settings.verbose, settings.port) == ("h:1883", "u", True, 5001)


def test_the_settings_file_of_the_command_line_beats_that_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, port in (("environment", 5001), ("command-line", 5002)):
        (tmp_path / name).write_text(f"port = {port}\n")
    for name, value in EXTRACTOR.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("BRIDGE_CONFIG_FILE", str(tmp_path / "environment"))
    served: list[Settings] = []
    monkeypatch.setattr(server, "serve", served.append)
    monkeypatch.setattr("bridge.core.json_logs.configure_logging", lambda **_options: None)
    assert cli.main(["serve", "--config", str(tmp_path / "command-line")]) == 0
    assert cli.main(["serve"]) == 0
    assert [settings.port for settings in served] == [5002, 5001]


def test_the_old_name_of_the_command_does_the_same_and_tells_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    outcomes = {}
    for name in ("tsm-bridge", "slurm-bridge"):
        (entry_point,) = entry_points(group="console_scripts", name=name)
        monkeypatch.setattr(sys, "argv", [name, "token", "list", "--token-file", str(tmp_path / "none")])
        outcomes[name] = (entry_point.load()(), capsys.readouterr().err.splitlines())
    status, lines = outcomes["tsm-bridge"]
    assert status == 2
    assert lines[0].startswith("tsm-bridge: ")
    assert outcomes["slurm-bridge"] == (2, ["slurm-bridge is now called tsm-bridge", *lines])


def test_it_tells_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert re.fullmatch(r"tsm-bridge \d+\.\d+\.\d+\n", capsys.readouterr().out)
