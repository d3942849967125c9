"""The Slurm that tests run on: the one whose slurmctld comes first in PATH. Its headers, its library, its plugins."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

# From the folder above bin/ and sbin/: as Slurm installs itself, and as Debian does.
LIBRARIES = ("lib64/slurm", "lib/slurm", "lib/*-linux-gnu/slurm-wlm", "lib/*-linux-gnu/slurm")


def prefix() -> Path:
    """The folder above bin/ and sbin/."""
    slurmctld = shutil.which("slurmctld")
    assert slurmctld is not None, "no slurmctld in PATH"
    return Path(slurmctld).resolve().parents[1]


def header(name: str) -> str:
    """The text of a header, such as `slurm_errno.h`."""
    return (prefix() / "include" / "slurm" / name).read_text()


def library() -> Path:
    """libslurmfull.so, beside which the plugins lie."""
    return next(_libraries())


def needs_plugin(*names: str) -> None:
    """Skip the test where this Slurm was built without one of the plugins."""
    for name in names:
        if not (library().parent / f"{name}.so").exists():
            pytest.skip(f"the Slurm in {prefix()} has no plugin {name}")


def _libraries() -> Iterator[Path]:
    for folder in LIBRARIES:
        yield from prefix().glob(f"{folder}/libslurmfull.so")
