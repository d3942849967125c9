"""A real Slurm, started once for all tests of a module. Without pyslurm they are not collected."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import HAS_PYSLURM
from tests.support.private_slurm import PrivateSlurm

collect_ignore_glob = [] if HAS_PYSLURM else ["test_*.py"]


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
