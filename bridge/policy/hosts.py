"""Lists of hosts, and which host a URI names. Pure.

The bridge checks what a URI says, the extractor what that leads to. They share no environment, but this file, to which
`extractor/hosts.py` is a link.

A host is taken in its usual form only: a name, an IPv4 address as 192.0.2.1, an IPv6 address as [2001:db8::1]. All
others (127.1, 0x7f000001, 2130706433, %31..., zone ids) are refused: programs do not agree on what they lead to.
"""

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

Address = IPv4Address | IPv6Address
Host = str | Address

NAME_MAX = 253  # RFC 1035, section 2.3.4, as text
# RFC 1123, section 2.1; with `_`, which names of containers hold. No name's last label is a number: WHATWG's URL
# standard and inet_aton(3) take those for addresses.
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?:{_LABEL}\.)*(?!(?:[0-9]+|0x[0-9a-f]*)$){_LABEL}")
# RFC 3986, section 3.2; userinfo holds no `@`, `[` or `]`.
_AUTHORITY = re.compile(
    r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:%]*@)?(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9\-._]+)(?::(?P<port>[0-9]{0,5}))?"
)
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052, section 2.1
_IPV4_COMPATIBLE = IPv6Network("::/96")  # RFC 4291, section 2.5.5.1
_LOOPBACK: tuple[Address, ...] = (IPv4Address("127.0.0.1"), IPv6Address("::1"))  # of `localhost`: RFC 6761, section 6.3


def host_of(authority: str) -> Host:
    """The host in `user:password@host:port`: a name in lower case, without the last dot, or an address.

    The port may be empty.
    Raises `ValueError`, which repeats nothing of it, where there is none in its usual form or the port is none.
    """
    if not authority.rpartition("@")[2]:
        raise ValueError("must name a host")
    match = _AUTHORITY.fullmatch(authority)
    if match is None or not 0 < int(match["port"] or 1) < 2**16:
        raise ValueError("must be a URI (RFC 3986): its host or port is malformed")
    return read_host(match["host"])


def read_host(text: str) -> Host:
    """The host that `text` is. Raises `ValueError` where it is none in its usual form."""
    if text.startswith("["):
        with suppress(ValueError):
            return IPv6Address(text[1:-1])
    elif text[-1:].isdigit():  # an error costs more than all else here, and most hosts are names
        with suppress(ValueError):
            return IPv4Address(text)
    name = text.lower().removesuffix(".")
    if len(name) > NAME_MAX or not _NAME.fullmatch(name):
        raise ValueError("must name its host in the usual form: a name, or an address as 192.0.2.1 or [2001:db8::1]")
    return name


@dataclass(frozen=True, slots=True)
class HostList:
    """Names, `*.` and a domain for all names in it, addresses, and networks."""

    names: frozenset[str]
    domains: tuple[str, ...]  # each with its first dot
    networks: tuple[IPv4Network | IPv6Network, ...]

    @classmethod
    def of(cls, entries: Iterable[str]) -> "HostList":
        """Raises `ValueError` that says which entry is none."""
        names, domains, networks = set(), [], []
        for entry in entries:
            try:
                networks.append(ip_network(entry))
                continue
            except ValueError:
                name = entry.lower().removeprefix("*.")
            if not _NAME.fullmatch(name):
                raise ValueError(
                    f"{entry!r} is no host name, *.DOMAIN, address or network (as 10.0.0.0/8, ending in zeros)"
                )
            if entry.startswith("*."):
                domains.append(f".{name}")
            else:
                names.add(name)
        return cls(frozenset(names), tuple(domains), tuple(networks))

    def has_name(self, name: str) -> bool:
        """Whether `name`, in lower case, is in the list as a name; what it leads to is not asked."""
        return name in self.names or name.endswith(self.domains)

    def has_address(self, address: Address) -> bool:
        """Whether an entry is `address` or a network with it."""
        return any(address in network for network in self.networks)


@dataclass(frozen=True, slots=True)
class HostRules:
    """Where a URI may lead. `allowed` is `None` where that is anywhere but to `denied`."""

    allowed: HostList | None
    denied: HostList

    @classmethod
    def of(cls, allowed: Iterable[str] | None, denied: Iterable[str]) -> "HostRules":
        """Raises `ValueError`; see `HostList.of`."""
        return cls(None if allowed is None else HostList.of(allowed), HostList.of(denied))

    def check(self, host: Host) -> None:
        """Raise `ValueError` where a URI may not name `host`: a name has to be allowed by name."""
        if isinstance(host, str):
            is_allowed = self.allowed is None or self.allowed.has_name(host)
            is_denied = self.denied.has_name(host)
            addresses = _LOOPBACK if host == "localhost" or host.endswith(".localhost") else ()
        else:
            is_allowed = self.allowed is None or self.allowed.has_address(_plain(host))
            is_denied, addresses = False, (host,)
        if is_denied or any(self.denies(address) for address in addresses):
            raise ValueError("names a host that is denied here")
        if not is_allowed:
            raise ValueError("names a host that is not among those allowed here")

    def denies(self, address: Address) -> bool:
        """Whether no connection may lead to `address`, or to the IPv4 address in it."""
        return any(self.denied.has_address(each) for each in (address, *_embedded(address)))


def _plain(address: Address) -> Address:
    """What the system connects to: the IPv4 address where it is mapped (RFC 4291, section 2.5.5.2)."""
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _embedded(address: Address) -> Iterable[IPv4Address]:
    """The IPv4 addresses to which a router or the system may translate `address`."""
    if not isinstance(address, IPv6Address):
        return
    if address.ipv4_mapped:
        yield address.ipv4_mapped
    if address.sixtofour:  # RFC 3056
        yield address.sixtofour
    if address.teredo:  # RFC 4380: the client's; the first is its server's
        yield address.teredo[1]
    if address in _NAT64 or (address in _IPV4_COMPATIBLE and int(address) > 1):
        yield IPv4Address(int(address) & 0xFFFFFFFF)
