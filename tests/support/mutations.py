"""Requests that begin as good ones and go wrong in a seeded, repeatable way."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from tests.support.samples import PARSE_BODY, QAQC_BODY, THING

CRLF = b"\r\n"

_WORDS = [
    *(b"", b"\0", b"\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\r\n"),
    *(b"{", b"}", b'"', b"\\", b"%", b"%00", b"null", b"1e999"),
]
_VALUES: list[Any] = [
    *(None, True, 0, -1, 2**63, 1e308, "", " ", "\0", "\u202e", "a" * 300),
    *([], [[]], {}, {"a": 1}, THING, "http://", "http://[", "${x}"),
]
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY", "X"]
_PIECES = [
    *("/", "//", "/.", "/..", "%2e%2e", "%00", "%0d%0a", "%ff", "%"),
    *("?", "??", "&", "=", "#", ";", "+", "~", "0", "9" * 30, "_3"),
]
_PATHS = ["/", "/jobs/1/stdout", "/jobs/0", "/jobs/query", "/health", "/ready", "/docs", "/nowhere", "*"]
_QUERIES = [
    *("wait=0", "wait=x", "wait=1e9", "tail=5", "limit=0", "limit=5"),
    *("cursor=x", "since=2026", "state=A", "a[]=1", "&&=&"),
]
_HEADERS = {
    "Content-Type": ["application/json", "application/json; charset=utf-16", "text/plain", "a/b; c=" + "d" * 99, ";"],
    "Content-Encoding": ["gzip", "identity", "br, gzip"],
    "Idempotency-Key": ["", "a b", "x" * 65, '"k"'],
    "If-None-Match": ["*", 'W/"x"', '"', "a,,b", "W/"],
    "Range": ["bytes=0-", "bytes=-0", "bytes=5-2", "bytes=0-1,2-3", "lines=1", f"bytes={'9' * 40}-"],
    "Accept": ["text/html", "*/*;q=x", ""],
    "Authorization": ["Bearer ", "Basic eDp5", "x" * 2000],
    "Expect": ["200-ok", "nothing"],
    "Cookie": ["a=b; " * 40],
    "X-HTTP-Method-Override": ["DELETE"],
    "X-Forwarded-For": ["1.2.3.4, " * 20],
}


@dataclass(frozen=True, slots=True)
class RawRequest:
    """A request as it goes on the wire, unless `wire` says what goes there in its place."""

    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def wire(self) -> bytes:
        """Its bytes, with the length that the body has."""
        length = {"Content-Length": str(len(self.body))} if self.body else {}
        lines = [f"{self.method} {self.path} HTTP/1.1", "Host: 127.0.0.1"]
        lines += [f"{name}: {value}" for name, value in {**self.headers, **length}.items()]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + self.body


# There is a job 1. One that does not exist would cost a look at the queue each time.
_JSON = {"Content-Type": "application/json"}
GOOD = [
    RawRequest("POST", "/extractor/run", _JSON, json.dumps(PARSE_BODY).encode()),
    RawRequest("POST", "/qaqc/run", _JSON, json.dumps(QAQC_BODY).encode()),
    RawRequest("POST", "/jobs/query", _JSON, json.dumps({"ids": ["1", "x"]}).encode()),
    RawRequest("GET", "/jobs?kind=parse&state=PENDING&limit=2&since=2026-01-01T00:00:00Z"),
    RawRequest("GET", "/jobs/1?wait=0", {"If-None-Match": 'W/"0123"'}),
    RawRequest("GET", "/jobs/1/stderr", {"Range": "bytes=0-9"}),
    RawRequest("DELETE", "/jobs/1"),
]


class Mutator:
    """Makes them. The same seed makes the same ones."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311
        self._numbers = iter(range(10**9))
        self._prefix = f"f{seed}-"

    def framed(self) -> RawRequest:
        """One that says truly how long it is: its connection goes on, whatever it is."""
        request = self._random.choice(GOOD)
        if request.body and self._random.random() < 0.9:  # the others may be good enough to become jobs
            request = self._random.choice([self._bytes, self._json, self._json])(request)
        changes: list[Callable[[RawRequest], RawRequest]] = [self._method, self._path, self._header]
        for change in self._random.choices(changes, k=self._random.choice([1, 1, 2])):
            request = change(request)
        return replace(request, headers={**request.headers, "X-Request-ID": f"{self._prefix}{next(self._numbers)}"})

    def wild(self) -> bytes:
        """One of which any byte, its lengths too, may be wrong: its connection may end."""
        wire = self.framed().wire()
        head, _, body = wire.partition(CRLF + CRLF)
        choice = self._random.choice
        match self._random.randrange(8):
            case 0:
                return self._damaged(head) + CRLF + CRLF + body
            case 1:
                return wire.replace(b"Content-Length: ", b"Content-Length: -")
            case 2:
                return wire.replace(b"Content-Length: ", b"Content-Length: 1\r\nContent-Length: ")
            case 3:
                chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
                coded = choice([chunks, body, self._damaged(chunks)])
                return head + b"\r\nTransfer-Encoding: chunked" + CRLF + CRLF + coded
            case 4:
                return wire.replace(b"HTTP/1.1", choice([b"HTTP/1.0", b"HTTP/2", b"HTTP/9.9", b"", b"HTTQ/1.1"]), 1)
            case 5:
                return wire.replace(CRLF, choice([b"\n", b"\r", b"\r\n ", b"\r\n\r\n"]), choice([1, 2, 3]))
            case 6:
                return head + b"\r\nX-Long: " + b"x" * choice([1000, 70_000, 300_000]) + CRLF + CRLF + body
            case _:
                return self._damaged(wire)

    def _method(self, request: RawRequest) -> RawRequest:
        return replace(request, method=self._random.choice(_METHODS))

    def _path(self, request: RawRequest) -> RawRequest:
        path, mark, query = request.path.partition("?")
        match self._random.randrange(4):
            case 0:
                path = self._random.choice(_PATHS)
            case 1:
                place = self._random.randrange(1, len(path) + 1)
                path = path[:place] + self._random.choice(_PIECES) + path[place:]
            case _:
                mark, query = "?", "&".join([query, *self._random.choices(_QUERIES, k=2)])
        return replace(request, path=path + mark + query)

    def _header(self, request: RawRequest) -> RawRequest:
        name = self._random.choice(list(_HEADERS))
        return replace(request, headers={**request.headers, name: self._random.choice(_HEADERS[name])})

    def _bytes(self, request: RawRequest) -> RawRequest:
        return replace(request, body=self._damaged(request.body) or b"{")

    def _json(self, request: RawRequest) -> RawRequest:
        try:
            content = json.loads(request.body)
        except ValueError:
            return self._bytes(request)
        if not isinstance(content, dict) or not content:
            return self._bytes(request)
        name = self._random.choice(list(content))
        match self._random.randrange(6):
            case 0:
                del content[name]
            case 1:
                content[self._random.choice(["", "x", "Target", "source", "ids", "\0", "__class__"])] = content[name]
            case 2:
                content = self._random.choice([[content], {"a": content}, str(content), None])
            case 3:
                depth = self._random.choice([10, 500, 40_000])
                return replace(request, body=b"[" * depth + request.body + b"]" * depth)
            case 4:
                content[name] = f"{content[name]}{self._random.choice(_WORDS).decode('latin-1')}"
            case _:
                content[name] = self._random.choice(_VALUES)
        return replace(
            request, body=json.dumps(content, ensure_ascii=self._random.random() < 0.5).encode(errors="replace")
        )

    def _damaged(self, content: bytes) -> bytes:
        """With some bytes changed, taken out, doubled or put in."""
        damaged = bytearray(content)
        for _ in range(self._random.choice([1, 1, 2, 5])):
            place = self._random.randrange(len(damaged) + 1)
            match self._random.randrange(5):
                case 0:
                    damaged[place : place + 1] = bytes([self._random.randrange(256)])
                case 1:
                    del damaged[place : place + self._random.choice([1, 3, 40])]
                case 2:
                    damaged[place:place] = self._random.choice(_WORDS)
                case 3:
                    damaged[place:place] = damaged[place : place + 20]
                case _:
                    del damaged[place:]
        return bytes(damaged)
