"""The commands that ask a bridge, on the real application behind real HTTP."""

import json
import os
import re
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bridge.cli import main as cli
from bridge.cli.exit_codes import EXIT_STATUSES, ExitCode
from bridge.cli.main import COMMANDS
from tests.support.memory_gateway import MemoryGateway
from tests.support.ports import free_port
from tests.support.samples import PARSE_BODY, QAQC_BODY, THING, settings
from tests.support.served_application import ServedApplication, served_application
from tests.support.waiting import wait_until

Command = Callable[..., tuple[int, str, str]]
RUNNING = {"state": "RUNNING", "start_time": 1, "nodes": "n1"}
COMPLETED = {"state": "COMPLETED", "end_time": 4, "nodes": "n1"}
FAILED = {"state": "FAILED", "start_time": 1, "end_time": 4, "nodes": "n1", "exit_code": 3}
PARSE = [f"--{name}={PARSE_BODY[name]}" for name in ("parser", "target", "source")] + [f"--thing={THING}"]
QAQC = [f"--target={QAQC_BODY['target']}", f"--thing={THING}"]
ASKING = [name for name in COMMANDS if name not in ("serve", "token", "doctor", "submit")]


@pytest.fixture
def gateway() -> MemoryGateway:
    return MemoryGateway()


@pytest.fixture
def served(gateway: MemoryGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServedApplication]:
    with served_application(gateway, settings(output_folder=tmp_path)) as served:
        monkeypatch.setenv("TSM_BRIDGE_URL", served.url)
        yield served


@pytest.fixture
def command(served: ServedApplication, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs `tsm-bridge`: exit status, standard output, standard error."""

    def run(*arguments: str) -> tuple[int, str, str]:
        status = cli.main(arguments)
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


def change_when_waited_for(served: ServedApplication, gateway: MemoryGateway, *changes: dict[str, Any]) -> None:
    """Let job 1 go through these, each when the command waits for news."""

    def change() -> None:
        for number, fields in enumerate(changes, start=1):
            wait_until(partial(_waits, served, number), "the command waits")
            gateway.put("1", fields)

    threading.Thread(target=change).start()


def _waits(served: ServedApplication, times: int) -> bool:
    return len(served.waits) >= times


def test_submit_prints_the_id(command: Command) -> None:
    assert command("submit", "parse", *PARSE) == (0, "1\n", "")
    assert command("submit", "qaqc", *QAQC) == (0, "2\n", "")
    assert command("submit", "parse", *PARSE, "--qaqc") == (0, "3\n4\n", "")


def test_a_target_with_a_password_need_not_be_in_the_command(
    command: Command, gateway: MemoryGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TSM_BRIDGE_TARGET", QAQC_BODY["target"])
    assert command("submit", "qaqc", f"--thing={THING}")[0] == 0
    assert gateway.descriptors["1"].environment["TSM_TARGET"] == QAQC_BODY["target"]


def test_a_period_of_quality_control(command: Command, gateway: MemoryGateway) -> None:
    options = ["--start=2026-01-01", "--end=2026-02-01T00:00:00+01:00", f"--project={THING}", "--settings=usual"]
    assert command("submit", "qaqc", *QAQC, *options)[0] == 0
    variables = gateway.descriptors["1"].environment
    assert datetime.fromisoformat(variables["TSM_START"]) == datetime(2026, 1, 1, tzinfo=UTC)
    assert datetime.fromisoformat(variables["TSM_END"]) == datetime(2026, 1, 31, 23, tzinfo=UTC)
    assert (variables["TSM_PROJECT_UUID"], variables["TSM_QC_SETTINGS_NAME"]) == (THING, "usual")
    status, _, err = command("submit", "qaqc", *QAQC, "--start=soon")
    assert (status, "'--start': must be a time like" in err) == (2, True)


def test_a_key_gets_the_same_job(command: Command) -> None:
    assert {command("submit", "qaqc", *QAQC, "--key=k")[1] for _ in range(2)} == {"1\n"}


@pytest.mark.parametrize(
    ("end", "expected", "line"),
    [
        pytest.param(COMPLETED, 0, "COMPLETED: finished normally", id="success"),
        pytest.param(FAILED, 1, "FAILED: failed with exit code 3: its standard error says why", id="failure"),
    ],
)
def test_submit_shows_the_whole_life_and_exits_with_the_result(
    command: Command, served: ServedApplication, gateway: MemoryGateway, end: dict[str, Any], expected: int, line: str
) -> None:
    change_when_waited_for(served, gateway, RUNNING, end)
    status, out, err = command("submit", "parse", *PARSE, "--wait", "--timeout=60")
    assert (status, err) == (expected, "")
    waits, runs, ends = out.splitlines()
    assert "job 1 (parse)  PENDING: waits" in waits
    assert "job 1 (parse)  RUNNING: is running" in runs
    assert ends.endswith(f"job 1 (parse)  {line}")


def test_as_json_it_prints_how_the_job_ended(
    command: Command, served: ServedApplication, gateway: MemoryGateway
) -> None:
    change_when_waited_for(served, gateway, FAILED)
    status, out, _ = command("submit", "parse", *PARSE, "--wait", "--timeout=60", "--json")
    (line,) = out.splitlines()
    job = json.loads(line)
    assert (status, job["job_id"], job["state"], job["exit_code"]) == (1, "1", "FAILED", 3)


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        pytest.param([COMPLETED, COMPLETED], 0, id="success"),
        pytest.param([FAILED, COMPLETED], 1, id="one-fails"),
    ],
)
def test_wait_for_several(command: Command, gateway: MemoryGateway, ends: list[Any], expected: int) -> None:
    for number, end in enumerate(ends, start=1):
        command("submit", "qaqc", *QAQC)
        gateway.put(str(number), end)
    status, out, _ = command("wait", "1", "2", "--timeout=60")
    assert status == expected
    assert len([line for line in out.splitlines() if re.search("COMPLETED|FAILED", line)]) == 2


def test_status_of_some_and_of_the_newest(command: Command, gateway: MemoryGateway) -> None:
    for _ in range(3):
        command("submit", "qaqc", *QAQC)
    status, out, _ = command("status", "3", "1")
    assert status == 0
    heading, first, second = out.splitlines()
    assert heading.split() == ["ID", "KIND", "STATE", "SUBMITTED", "WAITED", "RAN", "THING", "EXPLANATION"]
    assert first.split()[:3] == ["3", "qaqc", "PENDING"]
    assert second.split()[:3] == ["1", "qaqc", "PENDING"]
    assert THING in first
    documents = command("status", "--thing", THING, "--limit=2", "--json")[1].splitlines()
    assert [json.loads(document)["job_id"] for document in documents] == ["3", "2"]
    assert command("status", "--kind=parse", "--json") == (0, "", "")


def test_status_of_an_unknown_job_beside_a_known_one(command: Command) -> None:
    command("submit", "qaqc", *QAQC)
    status, out, err = command("status", "1", "99", "--json")
    assert (status, json.loads(out)["job_id"]) == (ExitCode.REFUSED, "1")
    assert err.startswith("tsm-bridge: 99: Not found: ")


def test_explain_tells_why_a_job_failed(command: Command, gateway: MemoryGateway, tmp_path: Path) -> None:
    command("submit", "qaqc", *QAQC)
    gateway.put("1", FAILED)
    command("wait", "1", "--timeout=60")
    (tmp_path / "qaqc-1.err").write_text("ValueError: [red]line 17\n")
    status, out, _ = command("explain", "1")
    assert status == 0
    assert "FAILED: failed with exit code 3" in out
    assert "ran 3 s on n1" in out
    assert out.endswith("ValueError: [red]line 17\n\n")
    document = json.loads(command("explain", "1", "--json")[1])
    assert (document["job"]["job_id"], document["stderr_tail"]) == ("1", "ValueError: [red]line 17\n")


def test_explain_a_job_that_never_ran(command: Command, gateway: MemoryGateway) -> None:
    command("submit", "qaqc", *QAQC)
    gateway.put("1", {"state": "CANCELLED", "end_time": 2})
    command("wait", "1", "--timeout=60")
    status, out, err = command("explain", "1")
    assert (status, err) == (0, "")
    assert "CANCELLED: was cancelled while it waited" in out


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param([], "one\ntwo\n", id="all"),
        pytest.param(["--tail=4"], "two\n", id="tail"),
        pytest.param(["--follow"], "one\ntwo\n", id="follow"),
        pytest.param(["--stream=stdout"], "out", id="stdout"),
    ],
)
def test_logs(command: Command, gateway: MemoryGateway, tmp_path: Path, options: list[str], expected: str) -> None:
    command("submit", "qaqc", *QAQC)
    gateway.put("1", COMPLETED)
    (tmp_path / "qaqc-1.err").write_text("one\ntwo\n")
    (tmp_path / "qaqc-1.out").write_text("out")
    assert command("logs", "1", *options) == (0, expected, "")


def test_retry(command: Command, gateway: MemoryGateway) -> None:
    for _ in range(2):
        command("submit", "qaqc", *QAQC)
    gateway.put("1", FAILED)
    assert command("wait", "1", "--timeout=60")[0] == ExitCode.FAILED
    status, out, err = command("retry", "1", "2")
    assert status == ExitCode.REFUSED
    assert "job 1 (qaqc)  PENDING" in out
    assert err.startswith("tsm-bridge: Job cannot be run again: ")


def test_failures(command: Command, gateway: MemoryGateway) -> None:
    for number, code in enumerate((3, 3, 4), start=1):
        command("submit", "qaqc", *QAQC)
        gateway.put(str(number), {**FAILED, "exit_code": code})
        command("wait", str(number), "--timeout=60")
    status, out, _ = command("failures")
    assert status == ExitCode.OK
    assert re.search(r"2 +qaqc +exit_code_3 +2 +n1 2 +1 .* failed with exit code 3", out)
    status, out, _ = command("failures", "--cause=exit_code_4", "--json")
    assert [json.loads(line)["count"] for line in out.splitlines()] == [1]
    for options, runs in ((["--dry-run"], ["1", "2"]), ([], ["1", "2"])):
        status, out, _ = command("failures", "--retry", "--cause=exit_code_3", *options)
        assert (status, out.split()) == (ExitCode.OK, runs)
    assert gateway.begin_times.keys() == {"1", "2"}


@pytest.mark.parametrize("options", [["--retry"], ["--dry-run"], ["--node=n1"], ["--per-minute=1", "--cause=other"]])
def test_failures_run_again_only_where_that_is_asked_for(command: Command, options: list[str]) -> None:
    status, _, err = command("failures", *options)
    assert status == ExitCode.USAGE
    assert "--retry" in err


def test_cancel(command: Command, gateway: MemoryGateway) -> None:
    for _ in range(2):
        command("submit", "qaqc", *QAQC)
    gateway.put("2", COMPLETED)
    assert command("wait", "2", "--timeout=60")[0] == ExitCode.OK
    status, out, err = command("cancel", "1", "2")
    assert status == ExitCode.REFUSED
    assert "job 1 (qaqc)" in out
    assert err.startswith("tsm-bridge: Already finished: ")
    assert command("wait", "1", "--timeout=60")[0] == ExitCode.FAILED


@pytest.mark.parametrize(
    ("arguments", "expected", "line"),
    [
        pytest.param(["status", "x", "--url", "x"], ExitCode.USAGE, "x is no address of a bridge", id="address"),
        pytest.param(["logs"], ExitCode.USAGE, "Missing argument 'ID'", id="no-id"),
        pytest.param(["status", "--token-file", "/nowhere"], ExitCode.USAGE, "No such file", id="no-token-file"),
        pytest.param(["submit", "parse"], ExitCode.USAGE, "Missing option '--parser'", id="no-parser"),
        pytest.param(["watch"], ExitCode.USAGE, "watch needs a terminal", id="no-terminal"),
        pytest.param(["logs", "1", "--follow", "--tail=1"], ExitCode.USAGE, "exclude each other", id="both"),
        pytest.param(["wait", "99"], ExitCode.REFUSED, "tsm-bridge: Not found: ", id="unknown"),
        pytest.param(["submit", "qaqc", "--target=x", f"--thing={THING}"], ExitCode.REFUSED, "`target` ", id="field"),
    ],
)
def test_what_is_not_done(command: Command, arguments: list[str], expected: ExitCode, line: str) -> None:
    status, out, err = command(*arguments)
    assert (status, out) == (expected, "")
    assert line in err
    assert "Traceback" not in err


def test_waiting_is_over_when_its_time_is(command: Command) -> None:
    command("submit", "qaqc", *QAQC)
    status, _, err = command("wait", "1", "--timeout=0.2")
    assert status == ExitCode.TIMED_OUT
    assert err == "tsm-bridge: Job 1 is not over yet: it is PENDING, and waits for its turn to be scheduled.\n"


def test_a_bridge_that_is_away(command: Command) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    status, _, err = command("wait", "1", "--timeout=0.1", "--url", url)
    assert status == ExitCode.UNREACHABLE
    assert err.startswith(f"tsm-bridge: {url} does not answer: ")


def test_a_token_comes_from_a_file_or_a_variable(
    command: Command, served: ServedApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("from-a-file\n")
    command("status", "--token-file", str(tmp_path / "token"))
    monkeypatch.setenv("TSM_BRIDGE_TOKEN", "itself")
    command("status")
    assert served.tokens == ["Bearer from-a-file", "Bearer itself"]


@pytest.mark.parametrize("name", [*ASKING, "submit parse", "submit qaqc"])
def test_help_lists_the_exit_statuses_and_has_no_option_for_a_token(command: Command, name: str) -> None:
    status, out, _ = command(*name.split(), "--help")
    assert status == 0
    for code, meaning in EXIT_STATUSES.items():
        assert re.search(rf"^  {code:d} +{meaning}$", out, re.MULTILINE)
    assert not re.search(r"--token\b(?!-file)", out)


def test_watch_keeps_up_until_ctrl_c(served: ServedApplication, gateway: MemoryGateway, command: Command) -> None:
    command("submit", "qaqc", *QAQC)
    ours, theirs = os.openpty()
    watching = subprocess.Popen(
        # A shell's background jobs ignore SIGINT, and what they start inherits that.
        ["env", "--default-signal=INT", sys.executable, "-m", "bridge", "watch", "--every=0.2"],
        env={**os.environ, "TERM": "xterm", "COLUMNS": "200", "LINES": "20"},
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    os.close(theirs)
    seen = bytearray()

    def shows(text: bytes) -> bool:
        with suppress(OSError):  # the other side of the terminal is closed
            while select.select([ours], [], [], 0)[0]:
                seen.extend(os.read(ours, 65_536))
        return text in seen

    def has_ended() -> bool:
        shows(b"")  # a full terminal would hold it up
        return watching.poll() is not None

    wait_until(lambda: shows(b"1 PENDING"), "the job is shown")
    gateway.put("1", RUNNING)
    wait_until(lambda: shows(b"1 RUNNING"), "its change too")
    watching.send_signal(signal.SIGINT)
    wait_until(has_ended, "it ends")
    _, err = watching.communicate(timeout=20)
    assert (watching.returncode, err.strip()) == (ExitCode.INTERRUPTED, b"")


def test_a_pipe_that_is_closed_is_no_error(served: ServedApplication, command: Command, tmp_path: Path) -> None:
    (tmp_path / "qaqc-1.err").write_bytes(bytes(1_000_000))
    line = f"{sys.executable} -m bridge logs 1 | head -c 1 >/dev/null; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_without_the_extra_the_other_commands_work_and_these_say_what_is_missing(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['rich'] = sys.modules['urllib3'] = None; from bridge.cli.main import main; main()"
    )
    hint = "pip install 'tsm-slurm-bridge[client]'"
    for arguments, expected in ((["wait", "--timeout=1", "17"], hint), (["token", "--help"], "revoke"), (["-h"], hint)):
        done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)
        assert expected in " ".join((done.stdout + done.stderr).split())
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str) -> None:
    environment = {**os.environ, "_TSM_BRIDGE_COMPLETE": f"{shell}_source"}
    done = subprocess.run([sys.executable, "-m", "bridge"], env=environment, capture_output=True, text=True, check=True)
    assert "tsm-bridge" in done.stdout
