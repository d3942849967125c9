"""`tsm-bridge doctor` names each of ten planted faults, with what to do; without a fault nothing is red."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.accounting import running_accounting
from tests.support.bridge_process import ROOT, SERVICE_USER, owned_folder, running_bridge, service_environment
from tests.support.ports import free_port
from tests.support.private_slurm import PrivateSlurm
from tests.support.samples import PARSE_BODY, of_each_kind
from tests.support.waiting import wait_until

Finding = dict[str, Any]
SILENT = "the controller does not answer, what is told of jobs is old"


@pytest.fixture(scope="module")
def slurm(shared_folder: Path) -> Iterator[PrivateSlurm]:
    folder = shared_folder / "slurm"
    folder.mkdir()
    with running_accounting(folder) as parameters, PrivateSlurm(folder, overrides=parameters) as slurm:
        yield slurm


@pytest.fixture(scope="module")
def environment(slurm: PrivateSlurm, shared_folder: Path) -> dict[str, str]:
    program = shared_folder / "extractor.py"
    program.touch()
    hosts = {"BRIDGE_SOURCE_HOSTS": '["h"]', "BRIDGE_TARGET_HOSTS": '["h"]'}
    return service_environment(slurm, shared_folder, ["/usr/bin/python3", str(program)], **hosts)


def doctor(environment: Mapping[str, str], *options: str) -> tuple[int, list[Finding]]:
    """Its exit status and findings; it runs as the service's user."""
    done = subprocess.run(
        [sys.executable, "-m", "bridge", "doctor", "--json", *options],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **environment},
        user=SERVICE_USER,
        group=SERVICE_USER,
        extra_groups=[],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def red(environment: Mapping[str, str], *options: str) -> dict[str, Finding]:
    """The red findings by what was checked; that there are some is in the exit status."""
    status, findings = doctor(environment, *options)
    found = {finding["check"]: finding for finding in findings if finding["level"] == "red"}
    assert status == (1 if found else 0), findings
    assert all(finding["fix"] for finding in findings if finding["level"] != "green")
    return found


def test_where_all_is_well_nothing_is_red(environment: dict[str, str], slurm: PrivateSlurm) -> None:
    status, findings = doctor(environment, "--probe")
    assert [finding for finding in findings if finding["level"] == "red"] == []
    assert status == 0
    greens = {finding["check"] for finding in findings if finding["level"] == "green"}
    assert greens >= {"controller", "clock", "accounting", "output_folder", "parse", "qaqc", "parse.extractor_command"}
    assert slurm.run("squeue", "--noheader") == ""
    assert list(Path(environment["BRIDGE_OUTPUT_FOLDER"]).iterdir()) == []


@pytest.mark.parametrize(
    ("setting", "value", "fix"),
    [
        pytest.param("partition", "nowhere", "correct parse.partition: sinfo --summarize lists what there is", id="p"),
        pytest.param(
            "account", "none", "correct parse.account: sacctmgr show associations lists what there is", id="a"
        ),
        pytest.param("qos", "best", "correct parse.qos: sacctmgr show qos lists what there is", id="q"),
    ],
)
def test_a_wrong_partition_account_or_qos(
    environment: dict[str, str], slurm: PrivateSlurm, setting: str, value: str, fix: str
) -> None:
    found = red({**environment, f"BRIDGE_PARSE__{setting.upper()}": value})
    assert [(check, finding["fix"]) for check, finding in found.items()] == [(f"parse.{setting}", fix)]
    assert slurm.run("squeue", "--noheader", "--states=all", "--name=parse") == ""  # none was submitted


def test_a_controller_that_is_down(slurm: PrivateSlurm, environment: dict[str, str]) -> None:
    """As this machine sees one that was stopped: nothing listens on its port."""
    conf = re.sub(r"SlurmctldPort=.*", f"SlurmctldPort={free_port()}", slurm.conf_path.read_text())
    other = slurm.folder / "down.conf"
    other.write_text(conf)
    found = red({**environment, "SLURM_CONF": str(other)})
    assert list(found) == ["controller"]
    assert "start slurmctld" in found["controller"]["fix"]


def test_an_output_folder_that_cannot_be_read(environment: dict[str, str], shared_folder: Path) -> None:
    closed = shared_folder / "closed"
    closed.mkdir(mode=0o700)
    found = red({**environment, "BRIDGE_OUTPUT_FOLDER": str(closed)})
    assert f"chown {SERVICE_USER} {closed}" in found["output_folder"]["fix"]


def test_a_wrong_path_of_the_extractor(environment: dict[str, str]) -> None:
    wrong = {**environment, "BRIDGE_PARSE__EXTRACTOR_COMMAND": '["/usr/bin/python3", "/nowhere/main.py"]'}
    assert red(wrong) == {}  # nodes may have it where this machine has not
    found = red(wrong, "--probe")
    assert list(found) == ["parse.extractor_command"]
    assert "/nowhere/main.py cannot be read on" in found["parse.extractor_command"]["text"]


def test_an_interpreter_that_is_not_there(environment: dict[str, str]) -> None:
    found = red({**environment, "BRIDGE_QAQC__EXTRACTOR_COMMAND": '["/nowhere/python", "/main.py"]'}, "--probe")
    assert list(found) == ["qaqc.extractor_command"]
    assert "/nowhere/python" in found["qaqc.extractor_command"]["text"]


def test_an_error_in_a_template(environment: dict[str, str], shared_folder: Path) -> None:
    templates = shared_folder / "templates"
    templates.mkdir()
    (templates / "parse.sh.j2").write_text("#!/bin/sh\n{{ nonsense }}\n")
    (templates / "qaqc.sh.j2").write_text("#!/bin/sh\n{{ launcher }}\n")
    found = red({**environment, "BRIDGE_TEMPLATE_FOLDER": str(templates)})
    assert list(found) == ["template_folder"]
    assert "'nonsense' is undefined" in found["template_folder"]["text"]
    assert found["template_folder"]["fix"].startswith(f"correct parse.sh.j2 in {templates}")


def test_a_token_that_has_expired(environment: dict[str, str], shared_folder: Path) -> None:
    file = owned_folder(shared_folder / "tokens") / "tokens.json"
    old = "2026-01-01T00:00:00Z"
    entry = {"name": "dispatcher", "digest": "0" * 64, "scopes": ["read"], "created_at": old, "expires_at": old}
    file.touch(0o600)
    file.write_text(json.dumps([entry]))
    os.chown(file, file.parent.stat().st_uid, file.parent.stat().st_gid)
    found = red({**environment, "BRIDGE_TOKEN_FILE": str(file)})
    assert list(found) == ["token_file"]
    assert "expired: dispatcher" in found["token_file"]["text"]
    assert "tsm-bridge token create --name dispatcher" in found["token_file"]["fix"]


def test_a_disk_that_is_full(environment: dict[str, str], shared_folder: Path) -> None:
    full = owned_folder(shared_folder / "full")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=0777", "tmpfs", full], check=True)
    try:
        (full / "old.out").write_bytes(bytes(60 * 1024))
        found = red({**environment, "BRIDGE_OUTPUT_FOLDER": str(full)})
    finally:
        subprocess.run(["umount", full], check=True)
    assert list(found) == ["output_folder"]
    assert "No space left on device" in found["output_folder"]["text"]
    assert "make room" in found["output_folder"]["fix"]


def test_a_broker_that_is_gone(environment: dict[str, str]) -> None:
    broker = {"MQTT_BROKER": f"127.0.0.1:{free_port()}", "MQTT_USER": "u", "MQTT_PASSWORD": "p"}
    found = red({**environment, **broker})
    assert list(found) == ["mqtt_broker"]
    assert "Connection refused" in found["mqtt_broker"]["text"]


def test_a_slurmdbd_that_is_gone(environment: dict[str, str], slurm: PrivateSlurm) -> None:
    pid = int((slurm.folder / "slurmdbd.pid").read_text())
    os.kill(pid, signal.SIGSTOP)
    try:
        found = red(environment)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert list(found) == ["accounting"]
    assert found["accounting"]["fix"].startswith("start slurmdbd")


def test_a_pyslurm_of_another_release(environment: dict[str, str], shared_folder: Path) -> None:
    """What its import says where libslurm is another one."""
    other = shared_folder / "other" / "pyslurm"
    other.mkdir(parents=True)
    words = "libslurm.so.39: cannot open shared object file: No such file or directory"
    (other / "__init__.py").write_text(f"raise ImportError({words!r})\n")
    found = red({**environment, "PYTHONPATH": str(other.parent)})
    assert list(found) == ["pyslurm"]
    assert words in found["pyslurm"]["text"]
    assert "install the pyslurm of the cluster's release" in found["pyslurm"]["fix"]


def test_settings_that_cannot_be_used(environment: dict[str, str]) -> None:
    found = red({**environment, "BRIDGE_PROT": "1"})
    assert list(found) == ["settings"]
    assert "BRIDGE_PROT: no setting has this name" in found["settings"]["text"]


def test_the_journal_and_explain_name_faults_of_a_running_bridge(
    environment: dict[str, str], slurm: PrivateSlurm, shared_folder: Path
) -> None:
    folder = shared_folder / "running"
    folder.mkdir()
    wrong = of_each_kind("extractor_command", '["/usr/bin/python3", "/nowhere/main.py"]')
    body = {**PARSE_BODY, "target": "postgresql://h/x", "source": "http://h/x"}
    with running_bridge(folder, {**environment, **wrong}) as bridge:
        answer = bridge.post("/extractor/run", body)
        assert answer.status == 202, answer.body
        job_id = answer.body["job_id"]
        job = bridge.wait_until_finished(job_id)
        command = [sys.executable, "-m", "bridge", "explain", job_id, "--url", bridge.url]
        explained = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        slurm.pause_controller()
        try:
            wait_until(lambda: SILENT in bridge.log, "its silence is told of", 90)
        finally:
            slurm.resume_controller()
        wait_until(lambda: "the controller answers again" in bridge.log, "its return is told of", 90)
        warnings = [json.loads(line) for line in bridge.log.splitlines() if '"level":"warning"' in line]
    assert job["explanation"] in explained
    assert "No such file or directory: '/nowhere/main.py'" in explained
    messages = [line["message"] for line in warnings]
    failed = next(line for line in warnings if line["message"] == "a job did not end well")
    assert (failed["job_id"], failed["explanation"]) == (job_id, job["explanation"])
    assert [message for message in messages if message.startswith("the controller ")][:2] == [
        SILENT,
        "the controller answers again",
    ]
