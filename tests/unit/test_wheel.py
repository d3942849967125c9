"""What an installed wheel carries."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("bridge", "jobscripts"):
        shutil.copytree(ROOT / name, folder / "source" / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / "source")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", folder, "."],
        cwd=folder / "source",
        check=True,
    )
    (wheel,) = folder.glob("*.whl")
    return zipfile.ZipFile(wheel).namelist()


@pytest.mark.parametrize("name", ["parse.sh.j2", "qaqc.sh.j2", "launch.py"])
def test_the_job_scripts_are_in_it(wheel_names: list[str], name: str) -> None:
    assert f"bridge/jobscripts/{name}" in wheel_names


def test_every_module_is_in_it(wheel_names: list[str]) -> None:
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "bridge").rglob("*.py")}
    assert modules <= set(wheel_names)


@pytest.mark.parametrize("name", ["page.html.j2", "style.css.j2"])
def test_the_page_of_the_specification_is_in_it(wheel_names: list[str], name: str) -> None:
    assert f"bridge/openapi/{name}" in wheel_names
