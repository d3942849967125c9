"""A tiny HTTP server on loopback: what sources are fetched from in tests."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class StaticHttp:
    """A running server."""

    port: int

    def url(self, name: str, query: str = "") -> str:
        """The URL of a file in the served folder."""
        return f"http://127.0.0.1:{self.port}/{name}" + (f"?{query}" if query else "")


class _Handler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is http.server's
        """Keep the tests' output free of access lines."""


@contextmanager
def serving(folder: Path, port: int = 0) -> Iterator[StaticHttp]:
    """Serve the files in `folder` while the context lasts, at a free port or at `port`."""
    handler = partial(_Handler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield StaticHttp(server.server_port)
        finally:
            server.shutdown()
            thread.join()
