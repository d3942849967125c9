"""Fixtures that tests of several folders share, and what a run leaves out.

A run that silently tests less than it seems to is worse than none.
"""

import importlib.util
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.support import slurm_installation
from tests.support.private_slurm import PrivateSlurm

# Examples are not kept: in the box the checkout cannot be written to.
hypothesis.settings.register_profile("read-only", database=None)
hypothesis.settings.load_profile("read-only")

NEEDS = {"slurm": "pyslurm", "e2e": "pyslurm", "page": "pyslurm", "extractor": "saqc"}
MISSING = {folder: module for folder, module in NEEDS.items() if importlib.util.find_spec(module) is None}

collect_ignore_glob = [f"{folder}/test_*.py" for folder in MISSING]


def pytest_report_header() -> list[str]:
    """The Slurm that tests run on, and a line for each folder that is left out, at the top of the report."""
    slurm = [f"Slurm: the one below {slurm_installation.prefix()}"] if shutil.which("slurmctld") else []
    return slurm + [
        f"left out: tests/{folder}, as {module} is not installed here; `sudo ./container/test` runs everything"
        for folder, module in MISSING.items()
    ]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A line for each test that was played at random: how to play the same again (`record_property("seed", ...)`)."""
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, ()):
            for name, value in report.user_properties:
                if name == "seed":
                    terminalreporter.write_line(f"{report.nodeid} {outcome} with --hypothesis-seed={value}")


@pytest.fixture(scope="module")
def shared_folder() -> Iterator[Path]:
    """A folder that every user may enter, which pytest's own are not."""
    folder = Path(tempfile.mkdtemp(prefix="bridge-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def slurm(shared_folder: Path) -> Iterator[PrivateSlurm]:
    """A controller and a node. Tests that hurt it mend it again."""
    (shared_folder / "slurm").mkdir()
    with PrivateSlurm(shared_folder / "slurm") as slurm:
        yield slurm
