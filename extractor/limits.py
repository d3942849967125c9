"""Where a job may connect, and which files it may open. The bridge puts the lists into its environment.

Without them a job may connect anywhere, and open any SQLite file, but no source on the disk. The bridge has seen the
URIs of the request. What is checked here besides is where they lead: redirects, the addresses that names have at the
moment of the connection, symbolic links.
"""

import os
import signal
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
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
_AGAIN_SECONDS = 10  # where an exception from a signal met code that drops exceptions, as finalizers do


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

    def check(self, sent_bytes: int, unpacked_bytes: int) -> None:
        """Raise `DeniedError` where it is too much, or too much for what was sent."""
        if unpacked_bytes > self._max_bytes:
            raise DeniedError(f"it has more than {self._max_bytes:,} bytes, which the operator allows")
        if unpacked_bytes > RATIO_FROM_BYTES and unpacked_bytes > MAX_RATIO * sent_bytes:
            raise DeniedError(f"it becomes more than {MAX_RATIO} times larger when it is unpacked")


@contextmanager
def source_time() -> Iterator[None]:
    """Raises `DeniedError` in what it holds, whatever that waits for, once a source has had its time.

    For the main thread: an alarm also ends what a clock that is looked at between two pieces would wait for.
    """
    seconds = int(os.environ.get(MAX_SECONDS_VARIABLE, MAX_SECONDS))

    def end(*_: object) -> None:
        raise DeniedError(f"it takes more than {seconds:,} seconds, which the operator allows")

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


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
