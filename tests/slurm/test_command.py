"""`tsm-bridge` in a shell script, on a real Slurm: the script branches on each exit status."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from bridge.auth.token_file import TokenFile
from tests.support.bridge_process import Bridge, owned_folder, running_bridge, service_environment
from tests.support.ports import free_port
from tests.support.private_slurm import PrivateSlurm
from tests.support.samples import THING, of_each_kind

# A parse job ends as the parser's name says.
EXTRACTOR = """
import sys, time
parser = next(word for word in sys.argv if word.startswith("--parser=")).removeprefix("--parser=")
print("the parser is", parser, file=sys.stderr, flush=True)
time.sleep(3600 if parser == "Sleep" else 1)
sys.exit(parser == "Fail")
"""
SCRIPT = """
export TSM_BRIDGE_TARGET=postgresql://db.example/tsm TSM_BRIDGE_SOURCE=http://localhost/x.csv
tsm-bridge submit parse --parser "$1" --thing "$THING" --wait --timeout "$2"
case $? in
0) echo "=> load it" ;;
1) echo "=> tell who made the file" ;;
2) echo "=> repair this script" ;;
3) echo "=> repair the request" ;;
4) echo "=> get a token" ;;
5) echo "=> try again tomorrow" ;;
6) echo "=> look again later" ;;
*) echo "=> $?" ;;
esac
"""


@pytest.fixture(scope="module")
def bridge(slurm: PrivateSlurm, shared_folder: Path) -> Iterator[Bridge]:
    program = shared_folder / "extractor.py"
    program.write_text(EXTRACTOR)
    tokens = owned_folder(shared_folder / "tokens") / "tokens.json"
    # Slurm ends a job that it sees with more memory than was asked for (OverMemoryKill): Python has some 20 MiB.
    more = {"BRIDGE_TOKEN_FILE": str(tokens), **of_each_kind("memory_mib", "100")}
    for name, scopes in (("all", ("submit", "read", "cancel")), ("reader", ("read",))):
        _make_token(TokenFile(tokens), shared_folder / f"{name}.token", name, scopes)
    environment = service_environment(slurm, shared_folder, ["/usr/bin/python3", str(program)], **more)
    with running_bridge(shared_folder, environment) as bridge:
        yield bridge


def _make_token(file: TokenFile, place: Path, name: str, scopes: tuple[str, ...]) -> None:
    arguments = ["token", "create", "--token-file", str(file.path), "--name", name]
    command = [sys.executable, "-m", "bridge", *arguments, *(f"--scope={scope}" for scope in scopes)]
    place.write_text(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.fixture
def variables(bridge: Bridge, shared_folder: Path) -> dict[str, str]:
    return {"TSM_BRIDGE_URL": bridge.url, "TSM_BRIDGE_TOKEN_FILE": str(shared_folder / "all.token")}


def run_script(script: str, variables: Mapping[str, str], *arguments: str) -> tuple[list[str], str]:
    """The lines that it prints, and its standard error."""
    environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "THING": THING, **variables}
    command = ["bash", "-c", script, "bash", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    return done.stdout.splitlines(), done.stderr


@pytest.mark.parametrize(
    ("arguments", "changes", "expected"),
    [
        pytest.param(("Succeed", "60"), {}, "load it", id="success"),
        pytest.param(("Fail", "60"), {}, "tell who made the file", id="failure"),
        pytest.param(("Succeed", "a minute"), {}, "repair this script", id="usage"),
        pytest.param(("no parser", "60"), {}, "repair the request", id="refused"),
        pytest.param(("Succeed", "60"), {"TSM_BRIDGE_TOKEN": "wrong"}, "get a token", id="no-token"),
        pytest.param(("Succeed", "60"), {"TSM_BRIDGE_TOKEN_FILE": "reader.token"}, "get a token", id="not-allowed"),
        pytest.param(("Succeed", "1"), {"TSM_BRIDGE_URL": "nowhere"}, "try again tomorrow", id="unreachable"),
        pytest.param(("Sleep", "3"), {}, "look again later", id="timed-out"),
    ],
)
def test_a_script_branches_on_each_exit_status(
    variables: dict[str, str], shared_folder: Path, arguments: tuple[str, str], changes: dict[str, str], expected: str
) -> None:
    if changes.get("TSM_BRIDGE_URL"):
        changes = {"TSM_BRIDGE_URL": f"http://127.0.0.1:{free_port()}"}
    if file := changes.get("TSM_BRIDGE_TOKEN_FILE"):
        changes = {"TSM_BRIDGE_TOKEN_FILE": str(shared_folder / file)}
    out, err = run_script(SCRIPT, {**variables, **changes}, *arguments)
    assert out[-1] == f"=> {expected}", (out, err)
    assert "Traceback" not in err


def test_the_whole_life_of_a_job_is_shown(variables: dict[str, str]) -> None:
    out, _ = run_script(SCRIPT, variables, "Fail", "60")
    states = [line.split("  ")[2].partition(":")[0] for line in out[:-1]]
    assert states[0] == "PENDING"
    assert states[-1] == "FAILED"
    assert "RUNNING" in states
    assert out[-2].endswith("failed with exit code 1: its standard error says why")


def test_from_submission_to_explanation(variables: dict[str, str]) -> None:
    script = """
    set -e
    export TSM_BRIDGE_TARGET=postgresql://db.example/tsm TSM_BRIDGE_SOURCE=http://localhost/x.csv
    submit() { tsm-bridge submit parse --parser "$1" --thing "$THING"; }
    good=$(submit Succeed) bad=$(submit Fail) long=$(submit Sleep)
    tsm-bridge logs "$bad" --follow | tail -n 1
    tsm-bridge wait "$good" "$bad" >/dev/null || echo "wait: $?"
    tsm-bridge explain "$bad" | tail -n 3 | head -n 1
    tsm-bridge cancel "$long" >/dev/null
    tsm-bridge wait "$long" --timeout 60 >/dev/null || echo "cancelled: $?"
    tsm-bridge status "$good" "$bad" "$long" | awk '{ print $2, $3 }'
    tsm-bridge status --thing "$THING" --state FAILED --limit 1 --json | grep --count '"state":"FAILED"'
    """
    out, err = run_script(script, variables)
    assert err == ""
    assert out == [
        "the parser is Fail",
        "wait: 1",
        "  the end of its standard error:",
        "cancelled: 1",
        "KIND STATE",
        "parse COMPLETED",
        "parse FAILED",
        "parse CANCELLED",
        "1",
    ]
