"""HTTP requests that check where they lead: the host of each redirect, and the address of each connection."""

import socket
from contextlib import suppress
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from extractor import limits
from extractor.redaction import without_credentials


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


class _CheckedPool(HTTPConnectionPool):
    ConnectionCls = _CheckedConnection


class _CheckedTlsPool(HTTPSConnectionPool):
    ConnectionCls = _CheckedTlsConnection


class _CheckedAdapter(HTTPAdapter):
    """Proxies have pools of their own: their addresses are the operator's choice."""

    def init_poolmanager(self, *args: Any, **keywords: Any) -> None:
        super().init_poolmanager(*args, **keywords)
        self.poolmanager.pool_classes_by_scheme = {"http": _CheckedPool, "https": _CheckedTlsPool}

    def send(self, request: requests.PreparedRequest, *args: Any, **keywords: Any) -> requests.Response:
        """Called for the request and for every redirect that it meets."""
        uri = request.url or ""
        try:
            limits.check_source(uri)
        except limits.DeniedError as error:
            raise limits.DeniedError(f"{without_credentials(uri)} {error}") from None
        return super().send(request, *args, **keywords)


def session() -> requests.Session:
    """A session for `http` and `https` only. Its requests raise `limits.DeniedError` where they lead elsewhere."""
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, _CheckedAdapter())
    return session
