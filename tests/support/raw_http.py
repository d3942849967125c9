"""HTTP to the byte, for what no proper client sends."""

import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TIMEOUT_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """An answer: its status, headers (names in lower case) and body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def problem_type(self) -> str:
        """Of a problem, without the prefix that all have."""
        return str(json.loads(self.body)["type"]).rpartition(":")[2]


def connect(place: int | Path) -> socket.socket:
    """A connection to a port of loopback or to a unix socket."""
    if isinstance(place, int):
        return socket.create_connection(("127.0.0.1", place), timeout=TIMEOUT_SECONDS)
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(TIMEOUT_SECONDS)
        connection.connect(str(place))
    except OSError:
        connection.close()
        raise
    return connection


def request(method: str, path: str, headers: Mapping[str, Any] | None = None, body: bytes = b"") -> bytes:
    """A request with these headers and no other."""
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in (headers or {}).items()), "", ""]
    return "\r\n".join(lines).encode() + body


def read_answer(connection: socket.socket) -> RawAnswer:
    """The next answer. Raises `OSError` where the connection ends before it is complete."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += _read(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    status_line, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        body += _read(connection)
    return RawAnswer(int(status_line.split()[1]), headers, body)


def ask(place: int | Path, data: bytes) -> RawAnswer:
    """The answer to `data` on a connection of its own."""
    with connect(place) as connection:
        connection.sendall(data)
        return read_answer(connection)


def is_closed(connection: socket.socket) -> bool:
    """Whether the other side has closed it; nothing else is to come."""
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
    finally:
        connection.settimeout(TIMEOUT_SECONDS)


def _read(connection: socket.socket) -> bytes:
    if data := connection.recv(65_536):
        return data
    raise ConnectionError("the connection ended before the answer did")
