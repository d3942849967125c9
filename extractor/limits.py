"""Where a job may connect. The bridge puts the lists into its environment; without them it may connect anywhere.

The bridge has seen the URIs of the request. What is checked here is where they lead: redirects, and the addresses that
names have at the moment of the connection.
"""

import os
import socket
from ipaddress import ip_address
from urllib.parse import urlsplit

from extractor.errors import ExtractorError
from extractor.hosts import HostRules, host_of

# Entries of `extractor.hosts.HostList`, separated by blanks.
DENIED_VARIABLE = "EXTRACTOR_DENIED_HOSTS"
SOURCES_VARIABLE = "EXTRACTOR_SOURCE_HOSTS"


class DeniedError(ExtractorError):
    """The job may not connect there."""


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


def _rules(allowed: str | None) -> HostRules:
    return HostRules.of(None if allowed is None else allowed.split(), os.environ.get(DENIED_VARIABLE, "").split())
