"""Which hosts URIs may name, however they are written, and which folders."""

from pathlib import Path

import pytest

from bridge.policy.hosts import HostList, HostRules, host_of
from bridge.policy.uris import UriRules, check_source, check_target
from tests.support.samples import settings

DENIED = settings().denied_hosts
TARGET_SCHEMES = frozenset({"oracle", "postgresql"})


def check_sources(uri: str, allowed: list[str] | None = None, denied: frozenset[str] = DENIED) -> None:
    check_source(uri, UriRules(frozenset({"http", "https"}), HostRules.of(allowed, denied)))


def check_targets(uri: str, allowed: list[str] | None = None) -> None:
    check_target(uri, UriRules(TARGET_SCHEMES, HostRules.of(allowed, DENIED)))


@pytest.mark.parametrize(
    "host",
    [
        pytest.param("169.254.169.254", id="link-local"),
        pytest.param("169.254.0.1:80", id="link-local-with-port"),
        pytest.param("good.example@169.254.169.254", id="after-user"),
        pytest.param("a:b%40@169.254.169.254", id="after-password"),
        pytest.param("[fe80::1]", id="link-local-v6"),
        pytest.param("[FE80:0::1]", id="link-local-v6-long"),
        pytest.param("[fd00:ec2::254]", id="aws-v6"),
        pytest.param("[fd00:0ec2:0:0:0:0:0:0254]", id="aws-v6-long"),
        pytest.param("[::ffff:169.254.169.254]", id="mapped"),
        pytest.param("[::ffff:a9fe:a9fe]", id="mapped-in-hexadecimal"),
        pytest.param("[::169.254.169.254]", id="compatible"),
        pytest.param("[2002:a9fe:a9fe::1]", id="6to4"),
        pytest.param("[64:ff9b::169.254.169.254]", id="nat64"),
        pytest.param("[2001:0:4136:e378:8000:63bf:5601:5601]", id="teredo"),
        pytest.param("100.100.100.200", id="alibaba"),
        pytest.param("168.63.129.16", id="azure"),
        pytest.param("metadata.google.internal", id="google"),
        pytest.param("Metadata.GOOGLE.internal", id="google-in-capitals"),
        pytest.param("metadata.google.internal.", id="google-with-dot"),
        pytest.param("0.0.0.0", id="this-host"),  # noqa: S104 - not to listen on
        pytest.param("[::]", id="this-host-v6"),
    ],
)
def test_denied_by_default(host: str) -> None:
    with pytest.raises(ValueError, match="is denied here"):
        check_sources(f"http://{host}/x")
    with pytest.raises(ValueError, match="is denied here"):
        check_targets(f"postgresql://{host}/x")


@pytest.mark.parametrize(
    "host",
    [
        pytest.param("2852039166", id="decimal"),
        pytest.param("0xa9fea9fe", id="hexadecimal"),
        pytest.param("0XA9FEA9FE", id="hexadecimal-in-capitals"),
        pytest.param("0251.0376.0251.0376", id="octal"),
        pytest.param("0xa9.0xfe.0xa9.0xfe", id="hexadecimal-parts"),
        pytest.param("169.254.43518", id="three-parts"),
        pytest.param("127.1", id="two-parts"),
        pytest.param("169.254.169.254.", id="with-dot"),
        pytest.param("0169.254.169.254", id="leading-zero"),
        pytest.param("169.254.169.256", id="too-large"),
        pytest.param("good.example..", id="two-dots"),
        pytest.param(".good.example", id="first-dot"),
        pytest.param("good..example", id="empty-label"),
        pytest.param("-good.example", id="hyphen"),
        pytest.param("a" * 64 + ".example", id="long-label"),
        pytest.param(".".join(["a" * 49] * 6), id="long-name"),
        pytest.param("[169.254.169.254]", id="bracketed-v4"),
        pytest.param("[::1.2.3]", id="bad-v6"),
    ],
)
def test_unusual_spellings_are_no_hosts(host: str) -> None:
    with pytest.raises(ValueError, match="in the usual form"):
        check_sources(f"http://{host}/", denied=frozenset())


@pytest.mark.parametrize(
    "authority",
    [
        pytest.param("good.example%2e", id="percent-encoded"),
        pytest.param("%31%36%39.254.169.254", id="percent-encoded-digits"),
        pytest.param("xn--[", id="bracket"),
        pytest.param("[fe80::1%25eth0]", id="zone"),
        pytest.param("good.example@b@169.254.169.254", id="two-users"),
        pytest.param("good.example:80:81", id="two-ports"),
        pytest.param("good.example:65536", id="port-too-large"),
        pytest.param("good.example:0", id="port-0"),
        pytest.param("good.example,169.254.169.254", id="two-hosts"),
        pytest.param("good.example;169.254.169.254", id="semicolon"),
        pytest.param("[::1]169.254.169.254", id="after-bracket"),
        pytest.param("[::1]@169.254.169.254", id="bracket-in-user"),
        pytest.param("::1", id="v6-without-brackets"),
    ],
)
def test_malformed_authorities(authority: str) -> None:
    with pytest.raises(ValueError, match="host or port is malformed"):
        host_of(authority)


@pytest.mark.parametrize(
    ("uri", "allowed"),
    [
        pytest.param("http://localhost:5080/f", None, id="loopback-name"),
        pytest.param("http://127.0.0.1/f", None, id="loopback"),
        pytest.param("http://[::1]:80/f", None, id="loopback-v6"),
        pytest.param("http://169.254.169.254.example/", None, id="address-in-a-name"),
        pytest.param("http://good.example/169.254.169.254", None, id="address-in-a-path"),
        pytest.param("http://good.example?@169.254.169.254/", None, id="address-in-a-query"),
        pytest.param("http://minio_1:9000/b/f?x=@", ["minio_1"], id="container"),
        pytest.param("https://Good.Example./f", ["good.example"], id="allowed-name"),
        pytest.param("https://a.b.example.org/f", ["*.example.org"], id="allowed-domain"),
        pytest.param("https://10.1.2.3/f", ["10.0.0.0/8"], id="allowed-network"),
        pytest.param("https://[::ffff:10.1.2.3]/f", ["10.0.0.0/8"], id="allowed-mapped"),
        pytest.param("https://xn--bcher-kva.example/f", ["xn--bcher-kva.example"], id="idna"),
    ],
)
def test_accepted_sources(uri: str, allowed: list[str] | None) -> None:
    check_sources(uri, allowed)


@pytest.mark.parametrize(
    ("uri", "allowed"),
    [
        pytest.param("http://other.example/", ["good.example"], id="name"),
        pytest.param("http://example.org/", ["*.example.org"], id="the-domain-itself"),
        pytest.param("http://badexample.org/", ["*.example.org"], id="end-of-a-label"),
        pytest.param("http://good.example.evil.example/", ["good.example"], id="beginning-of-a-name"),
        pytest.param("http://good.example@evil.example/", ["good.example"], id="user"),
        pytest.param("http://11.1.2.3/", ["10.0.0.0/8"], id="address"),
        pytest.param("http://[2002:a01:203::]/", ["10.0.0.0/8"], id="6to4"),
        pytest.param("http://any.example/", ["10.0.0.0/8"], id="name-among-networks"),
        pytest.param("http://any.example/", [], id="none-allowed"),
    ],
)
def test_sources_that_are_not_allowed(uri: str, allowed: list[str]) -> None:
    with pytest.raises(ValueError, match="not among those allowed here"):
        check_sources(uri, allowed)


@pytest.mark.parametrize("host", ["localhost", "db.LOCALHOST", "127.0.0.2", "[::1]", "[::ffff:127.0.0.1]"])
def test_loopback_can_be_denied(host: str) -> None:
    with pytest.raises(ValueError, match="is denied here"):
        check_sources(f"http://{host}/", denied=frozenset({"127.0.0.0/8", "::1"}))


def test_denied_beats_allowed() -> None:
    with pytest.raises(ValueError, match="is denied here"):
        check_sources("http://bad.example.org/", ["*.example.org"], frozenset({"bad.example.org"}))


@pytest.mark.parametrize(
    "uri",
    [
        pytest.param("postgresql://u:p@db.example:5432/d", id="postgresql"),
        pytest.param("postgresql://u:p@db.example:/d", id="empty-port"),
        pytest.param("oracle://u:p@db.example:1521/?service_name=tsm", id="oracle"),
    ],
)
def test_accepted_targets(uri: str) -> None:
    check_targets(uri, ["db.example"])


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        pytest.param("postgresql:///d", "must name a host", id="socket"),
        pytest.param("postgresql://u:p@/d", "must name a host", id="socket-with-user"),
        pytest.param("postgresql://db.example,169.254.1.1/d", "malformed", id="two-hosts"),
        pytest.param("postgresql://db.example:1,169.254.1.1:2/d", "malformed", id="two-hosts-with-ports"),
        pytest.param("postgresql://%2Ftmp/d", "malformed", id="socket-folder"),
        pytest.param("oracle://db.example/x%29(HOST=y", "no parentheses", id="address-in-a-sid"),
        pytest.param("postgresql://db.example/d#?host=x", "percent-encode each @ and #", id="fragment"),
        # SQLAlchemy reads a password up to the @, and libpq a user up to it.
        pytest.param("postgresql://db.example:5432/x@169.254.1.1/d", "percent-encode each @", id="password"),
        pytest.param("postgresql://db.example?x@169.254.1.1/d", "percent-encode each @", id="user"),
        pytest.param("postgresql://169.254.169.254/d", "denied", id="denied"),
        pytest.param("postgresql://other.example/d", "allowed", id="not-allowed"),
    ],
)
def test_refused_targets(uri: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_targets(uri, ["db.example"])


@pytest.mark.parametrize(
    ("uri", "is_open"),
    [
        pytest.param("file:///data/in/a%20b.csv", True, id="inside"),
        pytest.param("FILE://localhost/data/in/a.csv", True, id="localhost"),
        pytest.param("file:///data/other.csv", False, id="outside"),
        pytest.param("file:///data/input.csv", False, id="same-beginning"),
        pytest.param("file:///data/in/../other.csv", False, id="above"),
        pytest.param("file:///data/in/%2e%2E/other.csv", False, id="above-percent-encoded"),
        pytest.param("file:///data/in%2F..%2Fother.csv", False, id="above-with-encoded-slashes"),
        pytest.param("file:///data/in/a%00.csv", False, id="nul"),
        pytest.param("file:////data/in/a.csv", False, id="four-slashes"),
        pytest.param("file:///data/in", False, id="the-folder-itself"),
        pytest.param("file:///data/in/a.csv?b", False, id="query"),
        pytest.param("file:///data/in/a.csv#b", False, id="fragment"),
        pytest.param("file://other.example/data/in/a.csv", False, id="host"),
        pytest.param("file://data/in/a.csv", False, id="two-slashes"),
    ],
)
def test_files(uri: str, is_open: bool) -> None:
    rules = UriRules(frozenset({"file"}), HostRules.of(None, ()), (Path("/data/in"),))
    if is_open:
        check_source(uri, rules)
    else:
        with pytest.raises(ValueError, match=r"outside of the folders|no host|percent-encode"):
            check_source(uri, rules)


def test_entries_of_every_kind() -> None:
    hosts = HostList.of(["A.example", "*.B.example", "10.0.0.1", "2001:db8::/32"])
    assert hosts.names == {"a.example"}
    assert hosts.domains == (".b.example",)
    assert [str(network) for network in hosts.networks] == ["10.0.0.1/32", "2001:db8::/32"]
