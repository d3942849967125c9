"""The application on the in-memory gateway behind real HTTP, with faults on the way: for tests of clients."""

import json
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from bridge.config.settings import Settings
from bridge.http.app import create_app
from bridge.services import Services
from tests.support.application import FAST
from tests.support.memory_gateway import MemoryGateway

BUSY = (503, {"Retry-After": "0"}, {"type": "urn:x:overloaded", "title": "Overloaded", "status": 503,
                                     "detail": "later", "retryable": True})  # fmt: skip


@dataclass(slots=True)
class ServedApplication:
    """A running application. The next answers are replaced by those in `faults`, after each request was handled."""

    url: str
    faults: deque[tuple[int, dict[str, str], Any]] = field(default_factory=deque)
    keys: list[str] = field(default_factory=list)  # `Idempotency-Key` of each request that had one
    waits: list[str] = field(default_factory=list)  # path of each request with `?wait=`
    tokens: list[str] = field(default_factory=list)  # `Authorization`, likewise


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_arguments: Any) -> None:
        """Nothing on standard error."""


@contextmanager
def served_application(gateway: MemoryGateway, settings: Settings) -> Iterator[ServedApplication]:
    """The application of `settings`, on a free port of loopback."""
    services = Services.of(settings, gateway, b"secret", FAST)
    services.cache.start()
    served = ServedApplication("")
    with make_server("127.0.0.1", 0, _faulty(create_app(settings, services), served), _Server, _Quiet) as server:
        served.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield served
        finally:
            services.cache.close()
            server.shutdown()
            thread.join()


def _faulty(app: WSGIApplication, served: ServedApplication) -> WSGIApplication:
    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if key := environ.get("HTTP_IDEMPOTENCY_KEY"):
            served.keys.append(key)
        if "wait=" in environ["QUERY_STRING"]:
            served.waits.append(environ["PATH_INFO"])
        if token := environ.get("HTTP_AUTHORIZATION"):
            served.tokens.append(token)
        if not served.faults:
            return app(environ, start_response)
        body = app(environ, _swallow)
        list(body)
        status, headers, document = served.faults.popleft()
        start_response(f"{status} Fault", list(headers.items()))
        return [document if isinstance(document, bytes) else json.dumps(document).encode()]

    return answer


def _swallow(*_arguments: Any) -> Callable[[bytes], object]:
    return bytes
