"""The command line, started as people start it."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bridge import cli, server
from bridge.logs import JsonFormatter, request_id_var
from bridge.settings import Settings
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
    ("variables", "line"),
    [
        pytest.param({"BRIDGE_TYPO": "1"}, "BRIDGE_TYPO: no setting has this name", id="unknown"),
        pytest.param({"BRIDGE_SLURM_CONF_PATH": "/nowhere"}, "slurm_conf_path: cannot read", id="no-slurm-conf"),
        pytest.param({"BRIDGE_DIGEST_SECRET_PATH": "/dev/null"}, "digest_secret_path: others may read", id="secret"),
        pytest.param({"BRIDGE_TOKEN_FILE": "/nowhere"}, "token_file: /nowhere is not there", id="no-token-file"),
        pytest.param({"BRIDGE_TOKEN_FILE": "/dev/null"}, "token_file: others may read or write", id="token-file"),
        pytest.param({"BRIDGE_HOST": "0.0.0.0"}, "host: 0.0.0.0 can be reached from other", id="exposed"),  # noqa: S104
        pytest.param({"BRIDGE_TEMPLATE_FOLDER": "/nowhere"}, "template_folder: a job script", id="no-templates"),
    ],
)
def test_it_refuses_to_start_and_says_why(tmp_path: Path, variables: dict[str, str], line: str) -> None:
    done = run(tmp_path, "serve", **variables)
    assert done.returncode == 2
    assert f"slurm-bridge: {line}" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_options_that_existing_installations_use(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in EXTRACTOR.items():
        monkeypatch.setenv(name, value)
    served: list[Settings] = []
    monkeypatch.setattr(server, "serve", served.append)
    arguments = ["--mqtt-broker", "h:1883", "--mqtt-user", "u", "--mqtt-password", "p", "--verbose", "--port", "5001"]
    monkeypatch.setattr("bridge.logs.configure_logging", lambda **_options: None)
    assert cli.main(["serve", *arguments]) == 0
    (settings,) = served
    assert (settings.mqtt_broker, settings.mqtt_user, settings.verbose, settings.port) == ("h:1883", "u", True, 5001)


def test_a_log_line_is_json_with_the_request_id() -> None:
    record = logging.LogRecord("name", logging.INFO, "file", 1, "hello %s", ("you\n",), None)
    record.job_id = "17"
    token = request_id_var.set("request-1")
    entry = json.loads(JsonFormatter().format(record))
    request_id_var.reset(token)
    assert entry.pop("time").endswith("+00:00")
    assert entry == {
        "level": "info",
        "logger": "name",
        "message": "hello you\n",
        "request_id": "request-1",
        "job_id": "17",
    }
