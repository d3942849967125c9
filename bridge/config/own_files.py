"""Folders that are open to requests hold none of the service's own files."""

from collections.abc import Mapping, Sequence
from pathlib import Path


def refuse_own_files(open_folders: Mapping[str, Sequence[Path]], own_paths: Mapping[str, Path | None]) -> None:
    """Raise `ValueError` where one of the service's own paths lies in a folder that is open to requests.

    Both by the names of their settings. Jobs run as the service's user, who may read and write all of these; that they
    have other owners or modes would not help.
    """
    for setting, folders in open_folders.items():
        for name, path in own_paths.items():
            if path is not None and any(path.resolve().is_relative_to(folder.resolve()) for folder in folders):
                raise ValueError(
                    f"{setting}: one of them is or holds {name}, which is the service's own: choose another"
                )
