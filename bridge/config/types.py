"""Types of settings."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from bridge.policy.hosts import HostList


def _absolute(path: Path) -> Path:
    path = path.expanduser()
    if not path.is_absolute():
        raise ValueError("must be an absolute path")
    return path


def _hosts(entries: frozenset[str]) -> frozenset[str]:
    HostList.of(entries)
    return entries


def _folders(folders: tuple[Path, ...]) -> tuple[Path, ...]:
    if any(":" in str(folder) or ".." in folder.parts for folder in folders):
        raise ValueError("may hold no `:` and no `..`")  # the extractor gets them with colons between them
    return folders


AbsolutePath = Annotated[Path, AfterValidator(_absolute)]
Hosts = Annotated[frozenset[str], AfterValidator(_hosts)]  # each an entry of `bridge.policy.hosts.HostList`
Folders = Annotated[tuple[AbsolutePath, ...], AfterValidator(_folders)]
