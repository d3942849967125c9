"""Where a job may connect: what its URIs lead to is checked, on real servers at several addresses of loopback."""

import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext
from typing import Any

import pytest

from extractor import limits, store
from tests.extractor import things
from tests.support.postgresql import PostgreSQL
from tests.support.sites import Site, serving

OPEN, DENIED = "127.0.0.1", "127.0.0.2"
LIMITS: dict[str, Any] = {"EXTRACTOR_DENIED_HOSTS": f"{DENIED} 169.254.0.0/16"}

Resolver = Callable[..., list[Any]]


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """What a job may read."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with serving(OPEN) as site:
        yield site


@pytest.fixture
def inside(site: Site) -> Iterator[Site]:
    """What no job may read, on the same port."""
    with serving(DENIED, site.port) as inside:
        yield inside


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[list[str]]]:
    """The addresses that each name has when it is asked for the first time, the second time, and so on."""
    names: dict[str, list[list[str]]] = {}
    real: Resolver = socket.getaddrinfo

    def resolve(host: str, port: int, *args: Any, **keywords: Any) -> list[Any]:
        if host not in names:
            return real(host, port, *args, **keywords)
        addresses = names[host].pop(0) if len(names[host]) > 1 else names[host][0]
        return [entry for address in addresses for entry in real(address, port, *args, **keywords)]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return names


def test_a_source_that_is_not_denied_is_read(sqlite: str, site: Site, inside: Site) -> None:
    site.moved["/old.csv"] = "/f.csv"
    things.succeeded(things.parse(sqlite, f"{site.url}/old.csv", **LIMITS))
    assert (site.asked, inside.asked) == (["/old.csv", "/f.csv"], [])


@pytest.mark.parametrize(
    ("location", "message"),
    [
        pytest.param("{inside}/f?k=canary", "names a host that is denied here", id="address"),
        pytest.param("//127.0.0.2:{port}/f", "names a host that is denied here", id="relative"),
        pytest.param("http://u:canary@127.0.0.2:{port}/f", "names a host that is denied here", id="with-user"),
        pytest.param("http://[::ffff:127.0.0.2]:{port}/f", "names a host that is denied here", id="mapped"),
        pytest.param("http://2130706434:{port}/f", "in the usual form", id="decimal"),
        pytest.param("http://inside.example:{port}/f", "inside.example leads to 127.0.0.2", id="name"),
        pytest.param("http://both.example:{port}/f", "both.example leads to 127.0.0.2", id="name-with-two-addresses"),
        pytest.param("file:///etc/passwd", "No connection adapters", id="file"),
        pytest.param("ftp://127.0.0.1/f", "No connection adapters", id="ftp"),
    ],
)
def test_a_redirect_to_what_is_denied(
    sqlite: str, site: Site, inside: Site, names: dict[str, list[list[str]]], location: str, message: str
) -> None:
    names.update({"inside.example": [[DENIED]], "both.example": [[OPEN, DENIED]]})
    site.moved = {"/f.csv": "/further", "/further": location.format(inside=inside.url, port=site.port)}
    done = things.parse(sqlite, f"{site.url}/f.csv", **LIMITS)
    assert f"cannot read {site.url}/f.csv: " in things.failed(done, 1)
    assert message in done.stderr
    assert "canary" not in done.stderr
    assert (site.asked, inside.asked) == (["/f.csv", "/further"], [])
    assert things.observations(sqlite).empty


def test_a_redirect_to_a_host_that_is_not_allowed(sqlite: str, site: Site, inside: Site) -> None:
    site.moved["/f.csv"] = f"{inside.url}/f"
    done = things.parse(sqlite, f"{site.url}/f.csv", EXTRACTOR_SOURCE_HOSTS="127.0.0.1 *.example")
    assert "is not among those allowed here" in things.failed(done, 1)
    assert inside.asked == []


@pytest.mark.parametrize("first", [OPEN, DENIED])
def test_a_name_whose_address_changes(
    sqlite: str, site: Site, inside: Site, names: dict[str, list[list[str]]], first: str
) -> None:
    """Its address is asked for once: what was checked is what is connected to."""
    names["changing.example"] = [[first], [DENIED]]
    done = things.parse(sqlite, f"http://changing.example:{site.port}/f.csv", **LIMITS)
    assert (done.returncode, len(site.asked), inside.asked) == ((0, 1, []) if first == OPEN else (1, 0, []))


def test_the_next_address_is_tried(sqlite: str, site: Site, names: dict[str, list[list[str]]]) -> None:
    names["two.example"] = [["127.0.0.3", OPEN]]
    things.succeeded(things.parse(sqlite, f"http://two.example:{site.port}/f.csv", **LIMITS))


@pytest.mark.parametrize(("name", "code"), [("site.example", 0), ("other.example", 1)])
def test_tls_knows_the_name(
    sqlite: str, tmp_path: Path, site: Site, names: dict[str, list[list[str]]], name: str, code: int
) -> None:
    options = ["-newkey", "rsa:2048", "-nodes", "-subj", "/CN=test", "-addext", "subjectAltName=DNS:site.example"]
    files = ["-keyout", f"{tmp_path}/key", "-out", f"{tmp_path}/certificate"]
    subprocess.run(["openssl", "req", "-x509", *options, *files], check=True, capture_output=True)
    tls = SSLContext(PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "certificate", tmp_path / "key")
    names[name] = [[OPEN]]
    with serving(OPEN, tls=tls) as secure:
        source = f"https://{name}:{secure.port}/f.csv"
        done = things.parse(sqlite, source, REQUESTS_CA_BUNDLE=f"{tmp_path}/certificate", **LIMITS)
    assert done.returncode == code, done.stderr
    assert ("certificate is not valid for 'other.example'" in done.stderr) is bool(code)


def test_the_operators_proxy_may_be_anywhere_and_sources_may_not(sqlite: str, site: Site, inside: Site) -> None:
    proxy = {"http_proxy": inside.url, **LIMITS}
    things.succeeded(things.parse(sqlite, "http://storage.example/f.csv", **proxy))
    assert inside.asked == ["http://storage.example/f.csv"]
    assert "is denied here" in things.failed(things.parse(sqlite, "http://169.254.169.254/f.csv", **proxy), 2)
    assert len(inside.asked) == 1


def test_a_datastore_at_a_denied_address(
    postgresql_server: PostgreSQL, names: dict[str, list[list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    target = postgresql_server.uri(postgresql_server.create_database()).replace("127.0.0.1", "db.example")
    assert "db.example" in target
    # The first addresses that are tried have no server.
    names["db.example"] = [["127.0.0.3", OPEN], [DENIED]]
    monkeypatch.setenv("EXTRACTOR_DENIED_HOSTS", LIMITS["EXTRACTOR_DENIED_HOSTS"])
    engine = store.connect(target)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT inet_server_addr()").scalar() is not None
    done = things.command("run-qaqc", "-t", target, "-d", things.UUID_TEXT, "-m", "None")
    assert "cannot connect to the datastore: db.example leads to 127.0.0.2, which is denied" in things.failed(done, 1)
    names.clear()
    done = things.command("run-qaqc", "-t", target, "-d", things.UUID_TEXT, "-m", "None")
    assert "cannot connect to the datastore: db.example: " in things.failed(done, 1)
    assert "Traceback" not in done.stderr


def test_a_source_has_an_end(sqlite: str, site: Site) -> None:
    things.succeeded(things.parse(sqlite, f"{site.url}/f.csv", EXTRACTOR_SOURCE_MAX_BYTES="1000000"))
    done = things.parse(sqlite, f"{site.url}/f.csv", EXTRACTOR_SOURCE_MAX_BYTES="3")
    assert "it has more than 3 bytes" in things.failed(done, 1)


def test_a_source_does_not_become_hundreds_of_times_larger() -> None:
    transfer = limits.Transfer()
    transfer.check(sent_bytes=1000, unpacked_bytes=limits.RATIO_FROM_BYTES)  # little that is long is no harm
    transfer.check(sent_bytes=2**20, unpacked_bytes=200 * 2**20)
    with pytest.raises(limits.DeniedError, match="more than 200 times larger"):
        transfer.check(sent_bytes=2**20, unpacked_bytes=201 * 2**20)
