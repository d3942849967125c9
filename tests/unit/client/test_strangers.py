"""`bridge.client`, where something else than a bridge answers."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from bridge.client import Bridge, RefusedError
from tests.support.samples import QAQC_BODY

QAQC: dict[str, Any] = QAQC_BODY


class Stranger(BaseHTTPRequestHandler):
    """Sends all who come to another address, or shows a page to them."""

    status = 301

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(self.status)
        self.send_header("Location", "https://bridge.example/jobs/17?x=1")
        self.send_header("Content-Length", "6")
        self.end_headers()
        self.wfile.write(b"<html>")

    def do_POST(self) -> None:
        """Answer."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()


@pytest.fixture
def bridge() -> Iterator[Bridge]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Stranger) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield Bridge(f"http://127.0.0.1:{server.server_port}", token="t", patience_seconds=5)
        server.shutdown()


def test_a_redirect_is_told_and_not_followed(bridge: Bridge) -> None:
    for ask in (lambda: bridge.status("17"), lambda: bridge.submit_qaqc(**QAQC), lambda: bridge.output("17")):
        with pytest.raises(RefusedError, match=r"301: It leads to https://bridge.example/jobs/17: give the address"):
            ask()


def test_what_is_no_bridge_is_told(bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Stranger, "status", 200)
    for ask in (lambda: bridge.status("17"), bridge.failures, lambda: bridge.submit_qaqc(**QAQC)):
        with pytest.raises(RefusedError, match="no bridge"):
            ask()
