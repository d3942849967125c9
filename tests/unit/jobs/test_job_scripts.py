"""Job scripts against golden files, and the launcher in them in a real process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jinja2
import pytest

from bridge.config.settings import KIND_TABLES
from bridge.jobs.requests.factory import JobFactory
from bridge.jobs.requests.idempotency import IdentityHashes
from bridge.jobs.requests.script import render_job_script
from tests.support.bridge_process import ROOT
from tests.support.samples import settings

GOLDEN = Path(__file__).parent / "golden"
LAUNCHER = ROOT / "jobscripts" / "launch.py"


@pytest.mark.parametrize("kind", ["parse", "qaqc"])
def test_the_script_is_the_golden_one(kind: str) -> None:
    script = render_job_script(kind, ["/opt/extractor/bin/python", "/opt/extractor/main.py"])
    launcher = LAUNCHER.read_text().rstrip("\n")
    assert script == (GOLDEN / f"{kind}.sh").read_text().replace("(jobscripts/launch.py)", launcher)


def test_words_of_the_command_are_quoted() -> None:
    script = render_job_script("parse", ["/a b/python", "-X", "a'b", "/m$(id).py"])
    assert """exec '/a b/python' -X 'a'"'"'b' - parse '/m$(id).py' <<""" in script


def test_templates_of_the_operator(tmp_path: Path) -> None:
    (tmp_path / "parse.sh.j2").write_text("#!/bin/sh\n{{ interpreter }} {{ program }}\n")
    assert render_job_script("parse", ["python", "m.py"], tmp_path) == "#!/bin/sh\npython m.py\n"


@pytest.mark.parametrize(
    "template",
    [None, "#!/bin/sh\n{{ typo }}", "{% if %}", "echo"],
    ids=["missing", "unknown-name", "malformed", "no-interpreter"],
)
def test_bad_templates_are_refused(tmp_path: Path, template: str | None) -> None:
    if template is not None:
        (tmp_path / "parse.sh.j2").write_text(template)
    with pytest.raises(jinja2.TemplateError):
        render_job_script("parse", ["python", "m.py"], tmp_path)


@pytest.mark.parametrize(
    ("kind", "variables", "arguments"),
    [
        pytest.param(
            "parse",
            {"TSM_PARSER": "P", "TSM_TARGET": "t://u:p@h/$(id)", "TSM_SOURCE": "s://'\"h", "TSM_THING_UUID": "-u"},
            ["parse", "--parser=P", "--target-uri=t://u:p@h/$(id)", "--source=s://'\"h", "--device-id=-u"],
            id="parse",
        ),
        pytest.param(
            "qaqc",
            {"TSM_TARGET": "t", "TSM_THING_UUID": "u"},
            ["run-qaqc", "--target-uri=t", "--device-id=u"],
            id="qaqc",
        ),
        pytest.param(
            "qaqc",
            {
                "TSM_TARGET": "t",
                "TSM_THING_UUID": "u",
                "TSM_START": "2026-01-01T00:00:00+00:00",
                "TSM_END": "2026-02-01T00:00:00+00:00",
                "TSM_PROJECT_UUID": "p",
                "TSM_QC_SETTINGS_NAME": "--the usual; $(id)",
            },
            [
                "run-qaqc",
                "--target-uri=t",
                "--device-id=u",
                "--start=2026-01-01T00:00:00+00:00",
                "--end=2026-02-01T00:00:00+00:00",
                "--project-uuid=p",
                "--qc-settings-name=--the usual; $(id)",
            ],
            id="qaqc-of-a-period",
        ),
    ],
)
def test_the_script_starts_the_extractor_with_the_request(
    tmp_path: Path, kind: str, variables: dict[str, str], arguments: list[str]
) -> None:
    program = tmp_path / "main.py"
    program.write_text(
        "import json, os, pathlib, sys\n"
        "command_line = pathlib.Path('/proc/self/cmdline').read_text()\n"
        "seen = [__name__, sys.argv, command_line, sorted(os.environ)]\n"
        "pathlib.Path(__file__).with_name('seen').write_text(json.dumps(seen))\n"
        "sys.exit(3)\n"
    )
    script = render_job_script(kind, [sys.executable, str(program)])
    environment = {"PATH": os.environ["PATH"], **variables}
    done = subprocess.run(["bash"], input=script, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    name, argv, command_line, names = json.loads((tmp_path / "seen").read_text())
    assert name == "__main__"
    assert argv == [str(program), *arguments]
    assert command_line.split("\0") == [sys.executable, "-", arguments[0], str(program), ""]
    assert not [name for name in names if name.startswith("TSM_")]


def test_the_extractor_finds_its_own_modules_and_none_in_the_working_folder(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "sibling.py").write_text("print('sibling')")
    (tmp_path / "app" / "main.py").write_text("import json, sibling")
    (tmp_path / "json.py").write_text("raise SystemExit('a file of the working folder was imported')")
    script = render_job_script("qaqc", [sys.executable, str(tmp_path / "app" / "main.py")])
    environment = {"PATH": os.environ["PATH"]}
    done = subprocess.run(
        ["bash"], cwd=tmp_path, input=script, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "sibling\n"), done.stderr


def test_the_jobs_environment_is_explicit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICE_SECRET", "canary")
    factory = JobFactory.of(
        settings(
            mqtt_broker="b:1",
            mqtt_user="u",
            mqtt_password="p",
            verbose=True,
            source_schemes={"file", "https"},
            source_folders=["/a", "/b"],
            source_hosts={"a.example", "10.0.0.0/8"},
            target_folders=["/stores", "/more"],
            target_hosts={"db.example"},
            denied_hosts={"fe80::/10", "127.0.0.1"},
        ),
        IdentityHashes(b"secret"),
    )
    assert factory.environment == {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "SLURM_UMASK": "0077",
        "MQTT_BROKER": "b:1",
        "MQTT_USER": "u",
        "MQTT_PASSWORD": "p",
        "VERBOSE": "true",
        "EXTRACTOR_FILE_ROOTS": "/a:/b",
        "EXTRACTOR_SOURCE_MAX_BYTES": "10737418240",
        "EXTRACTOR_SOURCE_MAX_SECONDS": "3600",
        "EXTRACTOR_TARGET_FOLDERS": "/stores:/more",
        "EXTRACTOR_TARGET_HOSTS": "db.example",
        "EXTRACTOR_SOURCE_HOSTS": "10.0.0.0/8 a.example",
        "EXTRACTOR_DENIED_HOSTS": "127.0.0.1 fe80::/10",
    }
    without = JobFactory.of(settings(mqtt_user="u", mqtt_password="p"), IdentityHashes(b"secret"))
    assert without.environment["MQTT_BROKER"] == "None"
    assert not {"MQTT_PASSWORD", "EXTRACTOR_FILE_ROOTS", "EXTRACTOR_SOURCE_HOSTS"} & without.environment.keys()
    assert without.environment["EXTRACTOR_TARGET_FOLDERS"] == ""
    assert "169.254.0.0/16" in without.environment["EXTRACTOR_DENIED_HOSTS"].split()


@pytest.mark.parametrize(("minutes", "asked_for"), [(None, 240), (17, 17), (0, None)])
def test_every_job_has_a_time_limit_unless_the_operator_leaves_it_to_the_partition(
    minutes: int | None, asked_for: int | None
) -> None:
    command = {"extractor_command": ["python", "m.py"]}
    tables = dict.fromkeys(KIND_TABLES, command if minutes is None else {**command, "time_limit_minutes": minutes})
    factory = JobFactory.of(settings(**tables), IdentityHashes(b"secret"))
    assert {factory.descriptor(kind, {}, "").time_limit_minutes for kind in KIND_TABLES} == {asked_for}
