"""Sources on the wire: what they are asked for, and that they have an end, on real servers."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import pytest

from tests.extractor import things
from tests.support.sites import CSV, Site, serving

# As it stands in the URI after the host, and what is asked for.
TARGETS = {
    "/f.csv": "/f.csv",
    "": "/",
    "?list=%7e": "/?list=%7e",
    "/f.csv?": "/f.csv?",
    "/x/../y/./z": "/x/../y/./z",
    "/%7Ea/%7eb/~c": "/%7Ea/%7eb/~c",
    "/a%2Fb/a%2fb": "/a%2Fb/a%2fb",
    "//x//y/": "//x//y/",
    "/%41+b%20c;v=1": "/%41+b%20c;v=1",
    "/f.csv?X-Amz-Signature=ab%2Fcd%3d%3D&x=/../?'()*": "/f.csv?X-Amz-Signature=ab%2Fcd%3d%3D&x=/../?'()*",
    "/a:b@c!$&,=": "/a:b@c!$&,=",
}


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with serving("127.0.0.1") as site:
        yield site


@pytest.mark.parametrize(("written", "asked"), TARGETS.items())
def test_a_source_is_asked_for_as_it_is_written(sqlite: str, site: Site, written: str, asked: str) -> None:
    things.succeeded(things.parse(sqlite, site.url + written))
    assert site.asked == [asked]


@pytest.mark.parametrize(("written", "asked"), TARGETS.items())
def test_so_are_redirects(sqlite: str, site: Site, written: str, asked: str) -> None:
    site.moved["/first"] = site.url + written
    things.succeeded(things.parse(sqlite, f"{site.url}/first"))
    assert site.asked == ["/first", asked]


@pytest.mark.parametrize(("written", "asked"), TARGETS.items())
def test_so_is_what_a_proxy_fetches(sqlite: str, site: Site, written: str, asked: str) -> None:
    source = f"http://u:secret@Storage.example:8080{written}"
    things.succeeded(things.parse(sqlite, source, http_proxy=site.url))
    assert site.asked == [f"http://Storage.example:8080{asked}"]


@pytest.mark.parametrize(
    ("location", "asked"),
    [
        pytest.param("further.csv?a=%7e", "/x/further.csv?a=%7e", id="relative"),
        pytest.param("../y", "/y", id="relative-up"),
        pytest.param("/y#part", "/y", id="fragment"),
        pytest.param("/a b", "/a%20b", id="no-uri"),
    ],
)
def test_where_a_redirect_leads(sqlite: str, site: Site, location: str, asked: str) -> None:
    site.moved["/x/first"] = location
    things.succeeded(things.parse(sqlite, f"{site.url}/x/first"))
    assert site.asked == ["/x/first", asked]


def test_redirects_without_an_end(sqlite: str, site: Site) -> None:
    site.moved["/round"] = "/round"
    assert "redirects more than 30 times" in things.failed(things.parse(sqlite, f"{site.url}/round"), 1)
    assert len(site.asked) == 31


def test_a_name_and_password_go_with_redirects_of_their_host_only(sqlite: str, site: Site) -> None:
    with serving("127.0.0.2") as other:
        site.moved.update({"/first": f"{site.url}/second", "/second": f"{other.url}/third"})
        things.succeeded(things.parse(sqlite, site.url.replace("//", "//me:secret@") + "/first"))
    named = [headers["authorization"] for headers in (*site.headers, *other.headers)]
    assert named == ["Basic bWU6c2VjcmV0"] * 2 + [None]


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("at_once", "trickle"),
    [
        pytest.param(OK, b"X: y\r\n", id="headers"),
        pytest.param(OK + b"Content-Length: 9999999\r\n\r\n", b"1\n", id="body"),
        pytest.param(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n1\r\n", id="chunks"),
        pytest.param(b"HTTP/1.1 302 Found\r\nLocation: /\r\n", b"X: y\r\n", id="redirect"),
    ],
)
def test_a_source_that_trickles_has_an_end(sqlite: str, site: Site, at_once: bytes, trickle: bytes) -> None:
    with trickling(at_once, trickle) as port:
        started = time.monotonic()
        done = things.parse(sqlite, f"http://127.0.0.1:{port}/f", EXTRACTOR_SOURCE_MAX_SECONDS="1")
    assert "it takes more than 1 seconds, which the operator allows" in things.failed(done, 1)
    assert time.monotonic() - started < 30
    # Nothing of it is left for what comes next.
    things.succeeded(things.parse(sqlite, f"{site.url}/f.csv", EXTRACTOR_SOURCE_MAX_SECONDS="30"))


@contextmanager
def trickling(at_once: bytes, trickle: bytes) -> Iterator[int]:
    """The port of a server that sends `at_once`, then `trickle` again and again, a byte each tenth of a second."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        is_over = threading.Event()

        def serve() -> None:
            with suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    connection.sendall(at_once)
                    while not is_over.is_set():
                        for number in range(len(trickle)):
                            connection.sendall(trickle[number : number + 1])
                            is_over.wait(0.1)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            is_over.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_the_body_of_a_redirect_is_not_read(sqlite: str, site: Site) -> None:
    """It may be without an end."""
    with trickling(f"HTTP/1.1 302 Found\r\nLocation: {site.url}/f\r\n\r\n".encode(), CSV) as port:
        things.succeeded(things.parse(sqlite, f"http://127.0.0.1:{port}/f", EXTRACTOR_SOURCE_MAX_SECONDS="30"))
    assert site.asked == ["/f"]
