"""Where a job may connect, and which files it may open. The bridge puts the lists into its environment.

Without them a job may connect anywhere, and open any SQLite file, but no source on the disk. The bridge has seen the
URIs of the request. What is checked here besides is where they lead: redirects, the addresses that names have at the
moment of the connection, symbolic links.
"""

import os
import socket
import time
from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from extractor.errors import ExtractorError
from extractor.hosts import HostRules, host_of
from extractor.uris import UriRules

# Entries of `extractor.hosts.HostList`, separated by blanks.
DENIED_VARIABLE = "EXTRACTOR_DENIED_HOSTS"
SOURCES_VARIABLE = "EXTRACTOR_SOURCE_HOSTS"
TARGETS_VARIABLE = "EXTRACTOR_TARGET_HOSTS"
# Absolute paths, separated by colons.
SOURCE_FOLDERS_VARIABLE = "EXTRACTOR_FILE_ROOTS"
TARGET_FOLDERS_VARIABLE = "EXTRACTOR_TARGET_FOLDERS"


# How much a source may send once it is unpacked, and how long it may take.
MAX_BYTES_VARIABLE, MAX_BYTES = "EXTRACTOR_SOURCE_MAX_BYTES", 10 * 2**30
MAX_SECONDS_VARIABLE, MAX_SECONDS = "EXTRACTOR_SOURCE_MAX_SECONDS", 3600
# How many times larger it may become, where that matters: tables of numbers become some ten times larger.
MAX_RATIO, RATIO_FROM_BYTES = 200, 64 * 2**20


class DeniedError(ExtractorError):
    """The job may not connect there, or not open that."""


def source_rules(schemes: Iterable[str]) -> UriRules:
    """What a source may be, of these schemes."""
    return UriRules(
        frozenset(schemes),
        _rules(os.environ.get(SOURCES_VARIABLE)),
        _folders(os.environ.get(SOURCE_FOLDERS_VARIABLE, "")),
    )


def target_rules(schemes: Iterable[str]) -> UriRules:
    """What a target may be, of these schemes."""
    return UriRules(
        frozenset(schemes),
        _rules(os.environ.get(TARGETS_VARIABLE)),
        _folders(os.environ.get(TARGET_FOLDERS_VARIABLE, "/")),
    )


class Transfer:
    """What a source has sent so far, against the limits."""

    def __init__(self) -> None:
        self._max_bytes = int(os.environ.get(MAX_BYTES_VARIABLE, MAX_BYTES))
        self._max_seconds = int(os.environ.get(MAX_SECONDS_VARIABLE, MAX_SECONDS))
        self._ends_at_seconds = time.monotonic() + self._max_seconds

    def check(self, sent_bytes: int, unpacked_bytes: int) -> None:
        """Raise `DeniedError` where it is too much, too much for what was sent, or too slow."""
        if unpacked_bytes > self._max_bytes:
            raise DeniedError(f"it has more than {self._max_bytes:,} bytes, which the operator allows")
        if unpacked_bytes > RATIO_FROM_BYTES and unpacked_bytes > MAX_RATIO * sent_bytes:
            raise DeniedError(f"it becomes more than {MAX_RATIO} times larger when it is unpacked")
        if time.monotonic() > self._ends_at_seconds:
            raise DeniedError(f"it takes more than {self._max_seconds:,} seconds, which the operator allows")


def checked_path(path: Path, folders: Iterable[Path]) -> Path:
    """`path` with symbolic links resolved: a link inside of a folder must not lead out of it.

    Raises `DeniedError` where it lies below none of `folders`.
    """
    resolved = path.resolve()
    if not any(folder.resolve() in resolved.parents for folder in folders):
        raise DeniedError("it lies outside of the folders that are open to jobs")
    return resolved


def check_source(uri: str) -> None:
    """Raise `DeniedError` where no source may have the host that `uri` names."""
    try:
        _rules(os.environ.get(SOURCES_VARIABLE)).check(host_of(urlsplit(uri).netloc))
    except ValueError as error:
        raise DeniedError(str(error)) from None


def checked_addresses(host: str, port: int) -> list[str]:
    """The addresses of `host`, in the order in which they are to be tried: connect to these, and do not ask again.

    Raises `DeniedError` where one of them is denied, `socket.gaierror` where there are none.
    """
    rules = _rules(None)
    found = [entry[4][0] for entry in socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)]
    addresses = list(dict.fromkeys(map(str, found)))
    for address in addresses:
        if rules.denies(ip_address(address)):
            raise DeniedError(f"{host} leads to {address}, which is denied here")
    return addresses


def _folders(text: str) -> list[Path]:
    return [Path(folder) for folder in text.split(":") if folder.startswith("/")]


def _rules(allowed: str | None) -> HostRules:
    return HostRules.of(None if allowed is None else allowed.split(), os.environ.get(DENIED_VARIABLE, "").split())
