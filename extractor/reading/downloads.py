"""HTTP requests that go out as they are written, and check where they lead: the host of each redirect, and the address
of each connection."""

import re
import socket
from contextlib import suppress
from typing import Any
from urllib.parse import urldefrag, urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.cookies import extract_cookies_to_jar
from requests.utils import requote_uri
from urllib3 import BaseHTTPResponse, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from extractor import limits
from extractor.redaction import without_credentials
from extractor.uris import is_uri_text

_TARGET = re.compile(r"^[^:]+://[^/?#]*(?P<path>[^?#]*)(?P<query>[^#]*)")


class _CheckedConnection(HTTPConnection):
    """Asks once for the addresses of a name, and connects to those it has checked."""

    def _new_conn(self) -> socket.socket:
        name = self._dns_host
        *others, last = limits.checked_addresses(name, self.port)
        try:
            for self._dns_host in others:
                with suppress(NewConnectionError, ConnectTimeoutError):
                    return super()._new_conn()
            self._dns_host = last
            return super()._new_conn()
        finally:
            self._dns_host = name  # which TLS compares with the certificate


class _CheckedTlsConnection(_CheckedConnection, HTTPSConnection):
    pass


class _LiteralPool(HTTPConnectionPool):
    """Sends what it is to ask for as it is written; urllib3 would write `%7e` as `%7E`, and `x/../y` as `y`."""

    _asked_for = ""

    def urlopen(self, method: str, url: str, *args: Any, **keywords: Any) -> BaseHTTPResponse:
        self._asked_for = url
        return super().urlopen(method, url, *args, **keywords)

    def _make_request(self, conn: Any, method: str, url: str, *args: Any, **keywords: Any) -> Any:
        return super()._make_request(conn, method, self._asked_for, *args, **keywords)


class _LiteralTlsPool(_LiteralPool, HTTPSConnectionPool):
    pass


class _CheckedPool(_LiteralPool):
    ConnectionCls = _CheckedConnection


class _CheckedTlsPool(_LiteralTlsPool):
    ConnectionCls = _CheckedTlsConnection


class _CheckedAdapter(HTTPAdapter):
    """Connections to proxies are not checked: their addresses are the operator's choice."""

    def init_poolmanager(self, *args: Any, **keywords: Any) -> None:
        super().init_poolmanager(*args, **keywords)
        self.poolmanager.pool_classes_by_scheme = {"http": _CheckedPool, "https": _CheckedTlsPool}

    def proxy_manager_for(self, *args: Any, **keywords: Any) -> PoolManager:
        manager: PoolManager = super().proxy_manager_for(*args, **keywords)
        manager.pool_classes_by_scheme = {"http": _LiteralPool, "https": _LiteralTlsPool}
        return manager

    def request_url(self, request: requests.PreparedRequest, *args: Any) -> str:
        """What the first line of the request asks for: of the URI all that servers get, a proxy its host too."""
        is_for_proxy = not super().request_url(request, *args).startswith("/")
        uri = request.url or ""
        found = _TARGET.match(uri)
        target = (found["path"] or "/") + found["query"] if found else "/"
        host = urlsplit(uri).netloc.rpartition("@")[2]
        return f"{urlsplit(uri).scheme}://{host}{target}" if is_for_proxy else target

    def send(self, request: requests.PreparedRequest, *args: Any, **keywords: Any) -> requests.Response:
        """Called for the request and for every redirect that it meets."""
        uri = request.url or ""
        try:
            limits.check_source(uri)
        except limits.DeniedError as error:
            raise limits.DeniedError(f"{without_credentials(uri)} {error}") from None
        return super().send(request, *args, **keywords)


class Session(requests.Session):
    """For `http` and `https` only. It raises `limits.DeniedError` where a request leads elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        for scheme in ("http://", "https://"):
            self.mount(scheme, _CheckedAdapter())

    def answer(self, uri: str, timeout: tuple[float, float]) -> requests.Response:
        """The answer to GET `uri`, with its body still to be read, after all redirects; their bodies are not read."""
        kept: dict[str, str] = {}  # a host's own redirects do not take its caller's name away
        for _ in range(self.max_redirects + 1):
            request = self.prepare_request(requests.Request("GET", uri, headers=kept))
            request.url = uri  # as it is written
            settings = self.merge_environment_settings(uri, {}, True, None, None)
            response = self.get_adapter(uri).send(request, timeout=timeout, **settings)
            extract_cookies_to_jar(self.cookies, request, response.raw)
            location = self.get_redirect_target(response)
            if location is None:
                return response
            response.close()
            further = _further(uri, location)
            kept = {} if self.should_strip_auth(uri, further) else _authorization(request)
            uri = further
        raise requests.TooManyRedirects(f"it redirects more than {self.max_redirects} times")


def _authorization(request: requests.PreparedRequest) -> dict[str, str]:
    value = request.headers.get("Authorization")
    return {} if value is None else {"Authorization": str(value)}


def _further(uri: str, location: str) -> str:
    """Where `location`, an answer to `uri`, leads to: as it is written, where it can be sent so."""
    location = urldefrag(location)[0]
    if not is_uri_text(location):
        location = requote_uri(location)
    return location if urlsplit(location).scheme else urljoin(uri, location)
