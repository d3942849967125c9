"""A small application behind the service's own listeners, on waitress itself."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from bridge.http.middleware.request_context import HAS_HUNG_UP
from bridge.http.server.listen import listening
from tests.support.ports import free_port
from tests.support.raw_http import request
from tests.support.samples import settings
from tests.support.waiting import wait_until

SMALL: dict[str, Any] = {"threads": 5, "max_waiting_clients": 1, "max_connections": 10}
GET = request("GET", "/", {"Host": "localhost"})
LONG_ANSWER_BYTES = 32 * 1024 * 1024
PIECE_BYTES = 512 * 1024  # from a MiB on waitress writes it to a file


def post(size: int, **headers: str) -> bytes:
    """A `POST` that declares a body of `size` bytes."""
    return request("POST", "/", {"Host": "localhost", "Content-Length": size, **headers})


@dataclass
class Application:
    """Tells who asks; `/slow` waits until it is released, `/long` sends more than any buffer holds,
    `/piece` half a MiB in one piece, and `/watched` waits until its client has gone.
    """

    released: threading.Event = field(default_factory=threading.Event)
    entered: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    long_ones_ended: int = 0
    threads: Counter[int] = field(default_factory=Counter)  # how many requests each has handled
    has_seen_hang_up: threading.Event = field(default_factory=threading.Event)
    server: Any = None  # that it runs on

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        self.threads[threading.get_ident()] += 1
        if environ["PATH_INFO"] == "/long":
            start_response("200 OK", [("Content-Length", str(LONG_ANSWER_BYTES))])
            return self._long()
        if environ["PATH_INFO"] == "/piece":
            start_response("200 OK", [("Content-Length", str(PIECE_BYTES))])
            return [bytes(PIECE_BYTES)]
        if environ["PATH_INFO"] == "/watched":
            self.entered.release()
            wait_until(environ[HAS_HUNG_UP], "the client has gone")
            self.has_seen_hang_up.set()
        if environ["PATH_INFO"] == "/slow":
            self.entered.release()
            self.released.wait(20)
        size = len(environ["wsgi.input"].read())
        forwarded = [name for name in environ if "FORWARDED" in name]
        answer = f"{environ['REMOTE_ADDR']} {environ['wsgi.url_scheme']} {size} {len(forwarded)}".encode()
        start_response("200 OK", [("Content-Length", str(len(answer)))])
        return [answer]

    def _long(self) -> Iterator[bytes]:
        try:
            for _ in range(LONG_ANSWER_BYTES // 65_536):
                yield bytes(65_536)
        finally:
            self.long_ones_ended += 1


@contextmanager
def running(app: Application, **changes: Any) -> Iterator[int]:
    """The application behind our listeners, in a thread; yields its port."""
    port = free_port()
    chosen = changes if "socket_path" in changes else {"port": port, **changes}
    with listening(app, settings(**chosen), 5) as server:
        app.server = server
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            yield port
        finally:
            app.released.set()
            server.stop()
            thread.join()
