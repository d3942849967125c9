"""Without authentication the service may listen on loopback only."""

import ipaddress
import logging
import socket
from collections.abc import Sequence

from bridge.auth.callers import Verifier
from bridge.config.settings import SettingsError, StartError

log = logging.getLogger(__name__)


def refuse_open_listening(host: str | None, verifiers: Sequence[Verifier]) -> None:
    """Raise `SettingsError` where authentication is off and other machines could reach `host`.

    `host` is `None` where the service listens on a unix socket: its folder and mode say who may connect.
    """
    if verifiers:
        return
    if host is not None and not _is_loopback(host):
        raise SettingsError(
            f"host: {host} can be reached from other machines, and authentication is off: set token_file, "
            'slurm_tokens or oidc (docs/operators.md, "Who may call"), or listen on 127.0.0.1'
        )
    log.warning(
        "authentication is off: every client that can connect, any user of this machine or through a proxy, can "
        "submit, read and cancel jobs; see token_file"
    )


def _is_loopback(host: str) -> bool:
    """Whether all addresses that waitress would listen on for `host` are loopback addresses."""
    name = None if host == "*" else host.strip("[]")  # as waitress reads them
    try:
        found = socket.getaddrinfo(name, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:  # UnicodeError: no name can look like this
        raise StartError(f"host: {host} has no address: {error}") from None
    return all(ipaddress.ip_address(address).is_loopback for *_, (address, *_) in found)
