"""A parser of one's own, in a package that is really installed: the example of docs/parsers.md."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.extractor import things

EXAMPLE = things.ROOT / "docs" / "example-parser"
LINES = "T=2026-01-01T00:00:00Z;W=102;B=12.5\nT=2026-01-01T00:15:00Z;W=103;B=12.4\n"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder into which the package was installed."""
    source = shutil.copytree(EXAMPLE, tmp_path_factory.mktemp("source") / "package")
    folder = tmp_path_factory.mktemp("installed")
    options = [
        "--no-index",
        "--no-deps",
        "--no-build-isolation",
        "--disable-pip-version-check",
        "--target",
        str(folder),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, str(source)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder


def run(installed: Path, *arguments: str, **environment: str) -> things.Done:
    """The extractor as a job runs it, with the package beside it."""
    done = subprocess.run(
        [sys.executable, str(things.MAIN), *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(installed), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return things.Done(done.returncode, done.stdout, done.stderr)


def parse(installed: Path, tmp_path: Path, content: str, settings: dict[str, Any]) -> tuple[things.Done, str]:
    target = f"sqlite:///{tmp_path / 'data.sqlite'}"
    things.add(target, {"parsers": [{"type": "GaugeParser", "settings": settings}]})
    (tmp_path / "file").write_text(content)
    options = ("-p", "GaugeParser", "-t", target, "-s", f"file://{tmp_path}/file", "-d", things.UUID_TEXT, "-m", "None")
    return run(installed, "parse", *options, EXTRACTOR_FILE_ROOTS=str(tmp_path)), target


def test_it_is_listed_and_the_own_ones_too(installed: Path) -> None:
    listed = things.succeeded(run(installed, "list")) + run(installed, "list").stdout
    assert all(f"\t{name}\n" in listed for name in ("CsvParser", "csv", "json", "GaugeParser"))


def test_it_reads_a_file(installed: Path, tmp_path: Path) -> None:
    done, target = parse(installed, tmp_path, LINES, {})
    assert "4 observations stored" in things.succeeded(done)
    stored = things.observations(target)
    assert list(zip(stored["position"], stored["result_number"], strict=True)) == [
        ("B", 12.5),
        ("B", 12.4),
        ("W", 102),
        ("W", 103),
    ]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        pytest.param({"timekey": "T"}, "wrong settings for GaugeParser: timekey: Extra inputs", id="its settings"),
        pytest.param({"time_key": "t"}, "no line has t (setting `time_key`)", id="its own sentence"),
    ],
)
def test_what_is_wrong_is_one_line(installed: Path, tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    done, target = parse(installed, tmp_path, LINES, settings)
    assert message in things.failed(done, 1)
    assert things.observations(target).empty


def test_without_the_package_its_name_is_unknown() -> None:
    options = ("-t", "sqlite:////tmp/x", "-s", "http://h/f", "-d", things.UUID_TEXT, "-m", "None")
    assert "'GaugeParser' is not one of" in things.failed(things.command("parse", "-p", "GaugeParser", *options), 2)
