"""docs/deploy.md and deploy/install say the same; a dry run changes nothing."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "deploy.md").read_text()
STEPS = re.findall(r"^## (\d)\. .*?\n(.*?)(?=^## )", PAGE, re.MULTILINE | re.DOTALL)
# Done by both in other words: the token, made where there is none; folders, one by one; umask, for a whole shell.
IN_OTHER_WORDS = ("(umask", "--scope", "umask", "install --directory --owner", "curl", "http:")
CHANGING = ("useradd", "install", "cp", "systemctl", "sh")


def blocks(text: str, *words: str) -> list[str]:
    """The code of the blocks that are marked `sh`, with one of the words or with none."""
    found = re.findall(r"^```sh *(\S*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [code for word, code in found if word in ("", *words)]


def commands_of_the_page() -> list[list[str]]:
    """Steps 1 to 3."""
    code = "".join(block for number, text in STEPS if number in "123" for block in blocks(text, "slurm", "extractor"))
    lines = [line for line in code.replace("\\\n", " ").splitlines() if not line.strip().startswith(IN_OTHER_WORDS)]
    return [shlex.split(line) for line in lines]


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder with commands that leave a mark where they are called, and a Python that is new enough."""
    for name in CHANGING:
        (tmp_path / name).write_text(f'#!/bin/bash\necho {name} >>"{tmp_path}/called"\n')
    (tmp_path / "python3").write_text("#!/bin/bash\n")
    (tmp_path / "getent").write_text("#!/bin/bash\nexit 2\n")
    for tool in tmp_path.iterdir():
        tool.chmod(0o755)
    return tmp_path


def dry_run(tools: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    environment = {"PATH": f"{tools}:{os.environ['PATH']}"}
    argv = [str(ROOT / "deploy" / "install"), "--dry-run", *options]
    return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.skipif(Path("/opt/extractor").exists(), reason="it shows what is left to do, and the box has some of it")
def test_install_does_what_the_page_says(tools: Path) -> None:
    done = dry_run(tools)
    assert done.returncode == 0, done.stderr
    shown = [shlex.split(line[2:]) for line in done.stdout.splitlines() if line.startswith("+ ")]
    without_quiet = [[word for word in command if word != "--quiet"] for command in shown]
    commands = commands_of_the_page()
    assert len(commands) > 10
    assert [command for command in commands if command not in without_quiet] == []


def test_a_dry_run_changes_nothing(tools: Path) -> None:
    assert dry_run(tools).returncode == 0
    assert not (tools / "called").exists()


def test_an_old_python_is_named(tools: Path) -> None:
    (tools / "old").write_text("#!/bin/bash\nexit 1\n")
    (tools / "old").chmod(0o755)
    done = dry_run(tools, "--extractor-python", str(tools / "old"))
    assert done.returncode == 1
    assert "the extractor needs Python 3.12 or later" in done.stderr
    assert "--extractor-python" in done.stderr


def test_an_unknown_argument_is_refused(tools: Path) -> None:
    done = dry_run(tools, "--everything")
    assert done.returncode == 1
    assert "--everything" in done.stderr


def test_the_first_parse_is_among_what_is_followed() -> None:
    followed = "".join(blocks(PAGE, "slurm"))
    assert "extractor/run" in followed
    assert "semodule" not in followed
    subprocess.run(["bash", "-n"], input=followed, text=True, check=True)
