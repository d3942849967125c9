"""HTTP servers at addresses of loopback that send their clients on, and remember what they were asked for."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext
from typing import Any

CSV = b"t,a\n2026-01-01 00:00:00,1\n"  # what they serve


@dataclass
class Site:
    """A running server; `moved` says where each of its paths is now."""

    url: str = ""
    moved: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    headers: list[Message] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, site: Site, *args: Any) -> None:
        self.site = site
        super().__init__(*args)

    def do_GET(self) -> None:
        target = self.requestline.split()[1]  # `self.path` is not always as it was sent
        self.site.asked.append(target)
        self.site.headers.append(self.headers)
        if location := self.site.moved.get(target):
            self.send_response(302)
            self.send_header("Location", location)
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(CSV)))
        self.end_headers()
        self.wfile.write(CSV)

    def log_message(self, *_: Any) -> None:
        """Keep the tests' output free of access lines."""


@contextmanager
def serving(address: str, port: int = 0, tls: SSLContext | None = None) -> Iterator[Site]:
    """Serve at `address` while the context lasts."""
    site = Site()
    with ThreadingHTTPServer((address, port), partial(_Handler, site)) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        site.url = f"http{'s' if tls else ''}://{address}:{server.server_port}"
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            yield site
        finally:
            server.shutdown()
