"""A service that asks nobody who he is may be reached from its own machine only."""

import ipaddress
import logging
import socket
from collections.abc import Sequence

from bridge.auth.callers import Verifier
from bridge.settings import SettingsError

log = logging.getLogger(__name__)


def refuse_exposure(host: str, verifiers: Sequence[Verifier]) -> None:
    """Raise `SettingsError` where other machines could reach `host`, and everybody there might do everything."""
    if verifiers:
        return
    if not _is_loopback(host):
        raise SettingsError(
            f"host: {host} can be reached from other machines, and nobody is asked who he is: set token_file "
            '(README, "Who may call"), or listen on 127.0.0.1'
        )
    log.warning("authentication is off: every user of this machine can submit, read and cancel jobs; see token_file")


def _is_loopback(host: str) -> bool:
    """Whether all addresses that waitress would listen on for `host` are."""
    name = None if host == "*" else host.strip("[]")  # as waitress reads them
    try:
        found = socket.getaddrinfo(name, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:  # UnicodeError: no name can look like this
        raise SettingsError(f"host: {host} has no address: {error}") from None
    return all(ipaddress.ip_address(address).is_loopback for *_, (address, *_) in found)
