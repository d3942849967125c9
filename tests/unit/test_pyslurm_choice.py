"""Which pyslurm `deploy/pyslurm` installs for which Slurm; Slurm, pip and Python are stand-ins."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "deploy" / "pyslurm"
PYTHON = """#!/bin/bash
folder=$(dirname "$0")
case "$*" in
"-m pip index versions pyslurm") echo "Available versions: $(cat "$folder/index")" ;;
"-m pip install"*)
    echo "$SLURM_INCLUDE_DIR $SLURM_LIB_DIR $CFLAGS ${*: -1}" >>"$folder/installed"
    grep VERSION_NUMBER "$SLURM_INCLUDE_DIR/slurm/slurm_version.h" >>"$folder/version-seen"
    ;;
*sys.prefix*) echo "$folder" ;;
esac
"""


@dataclass(frozen=True, slots=True)
class Machine:
    """A Slurm below `folder`/slurm, and a Python that only notes what it is told to install."""

    folder: Path

    def choose(self, *options: str) -> "subprocess.CompletedProcess[str]":
        argv = [str(SCRIPT), *options, str(self.folder / "python"), str(self.folder / "slurm")]
        return subprocess.run(argv, capture_output=True, text=True, check=False)

    @property
    def installed(self) -> str:
        return (self.folder / "installed").read_text()


def machine(folder: Path, number: str, index: str, library: str = "lib/slurm") -> Machine:
    for place in ("slurm/include/slurm", f"slurm/{library}"):
        (folder / place).mkdir(parents=True)
    (folder / "slurm" / library / "libslurmfull.so").touch()
    (folder / "slurm/include/slurm/slurm_version.h").write_text(f"#define SLURM_VERSION_NUMBER {number}\n")
    (folder / "index").write_text(index)
    (folder / "python").write_text(PYTHON)
    (folder / "python").chmod(0o755)
    return Machine(folder)


@pytest.mark.parametrize(
    ("number", "index", "wanted"),
    [
        pytest.param("0x190b07", "25.11.2, 25.11.0, 18.8.1.1", "pyslurm==25.11.*", id="25.11"),
        pytest.param("0x1a0505", "26.5.0, 25.11.2", "pyslurm==26.05.*", id="26.05-once-the-index-has-it"),
        pytest.param("0x1a0b00", "26.11.0, 26.5.0", "pyslurm==26.11.*", id="a-later-one"),
    ],
)
def test_the_index_has_the_clusters_release(tmp_path: Path, number: str, index: str, wanted: str) -> None:
    cluster = machine(tmp_path, number, index)
    assert cluster.choose().returncode == 0
    assert cluster.installed.endswith(f"{wanted}\n")
    assert "pyslurm-compat.h" not in cluster.installed
    assert str(tmp_path / "slurm/include") in cluster.installed


def test_the_header_serves_while_the_index_has_no_26_05(tmp_path: Path) -> None:
    cluster = machine(tmp_path, "0x1a0505", "25.11.2, 25.11.0, 2.26.5")
    assert cluster.choose().returncode == 0
    assert "pyslurm-compat.h pyslurm==25.11.2" in cluster.installed
    assert "0x190b02" in (tmp_path / "version-seen").read_text()


def test_a_release_without_pyslurm_is_refused_with_what_to_do(tmp_path: Path) -> None:
    done = machine(tmp_path, "0x180b05", "25.11.2, 25.11.0").choose()
    assert done.returncode == 1
    assert "the index has no pyslurm 24.11" in done.stderr
    assert "docs/deploy.md" in done.stderr
    assert not (tmp_path / "installed").exists()


def test_it_is_tried_all_the_same_where_that_is_asked_for(tmp_path: Path) -> None:
    cluster = machine(tmp_path, "0x1b0500", "25.11.2, 25.11.0")
    done = cluster.choose("--untried")
    assert done.returncode == 0
    assert "WARNING: the bridge was never tried on Slurm 27.05" in done.stdout
    assert "pyslurm-compat.h pyslurm==25.11.2" in cluster.installed


@pytest.mark.parametrize(
    "library", ["lib/slurm", "lib64/slurm", "lib/x86_64-linux-gnu/slurm-wlm", "lib/aarch64-linux-gnu/slurm"]
)
def test_it_finds_libslurm(tmp_path: Path, library: str) -> None:
    cluster = machine(tmp_path, "0x190b07", "25.11.2", library)
    assert cluster.choose().returncode == 0
    assert f" {tmp_path}/slurm/{library} " in cluster.installed


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        pytest.param("slurm/include/slurm/slurm_version.h", "SLURM_INCLUDE_DIR", id="headers"),
        pytest.param("slurm/lib/slurm/libslurmfull.so", "SLURM_LIB_DIR", id="library"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, missing: str, words: str) -> None:
    cluster = machine(tmp_path, "0x190b07", "25.11.2")
    (tmp_path / missing).unlink()
    done = cluster.choose()
    assert done.returncode == 1
    assert words in done.stderr


def test_an_index_that_does_not_answer_is_no_missing_release(tmp_path: Path) -> None:
    done = machine(tmp_path, "0x190b07", "").choose()
    assert done.returncode == 1
    assert "check the network" in done.stderr
