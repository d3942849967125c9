"""Requests to the bridge, repeated where that can help."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlencode, urlsplit

import msgspec
import urllib3

from bridge.client.errors import BridgeUnreachableError, NotAuthenticatedError, RefusedError
from bridge.client.models import Problem

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 45.0  # the bridge takes 15 s by default, proxies wait 30 s
PAUSE_SECONDS = 1.0  # where the answer does not say how long to wait
PAUSE_MAX_SECONDS = 30.0  # whatever it says

T = TypeVar("T")
Query = Mapping[str, str | int | float | list[str]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the bridge has answered; `pause_seconds` is its `Retry-After`, or 0."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    pause_seconds: float

    def read(self, model: type[T]) -> T:
        """The record in the body. Raises `RefusedError` where it is not what a bridge answers."""
        try:
            return msgspec.json.decode(self.body, type=model)
        except msgspec.DecodeError:
            raise RefusedError(_no_bridge(self.status)) from None


class Connection:
    """Safe to use from many threads. Raises `ValueError` where `url` is no address of a bridge."""

    def __init__(self, url: str, token: str | None, patience_seconds: float) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url} is no address of a bridge: it has to be like http://localhost:5000")
        self._url = url.rstrip("/")
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._patience_seconds = patience_seconds
        # A redirect is not followed: the token is for the bridge alone.
        self._pool = urllib3.PoolManager(maxsize=16, retries=False)

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        held_seconds: float = 0.0,
    ) -> Answer:
        """Send a request, and send it again while that can help: it has to be one that may come twice.

        `held_seconds` is for how long the bridge may hold the answer back.

        Raises `BridgeUnreachableError`, `RefusedError`, `NotAuthenticatedError`.
        """
        until_seconds = time.monotonic() + self._patience_seconds
        address = f"{self._url}{path}" + (f"?{urlencode(query, doseq=True)}" if query else "")
        data = None if body is None else msgspec.json.encode(body)
        sent = {**self._headers, **(headers or {}), **({} if data is None else {"Content-Type": "application/json"})}
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=held_seconds + ANSWER_SECONDS)
        while True:
            try:
                response = self._pool.request(method, address, body=data, headers=sent, timeout=timeout)
                answer = _answer(response)
                failure = _failure(answer)
            except urllib3.exceptions.HTTPError as error:
                failure, pause_seconds = f"{self._url} does not answer: {error}", PAUSE_SECONDS
            else:
                if failure is None:
                    return answer
                pause_seconds = min(answer.pause_seconds or PAUSE_SECONDS, PAUSE_MAX_SECONDS)
            if time.monotonic() + pause_seconds > until_seconds:
                raise BridgeUnreachableError(failure)
            time.sleep(pause_seconds)


def _answer(response: urllib3.BaseHTTPResponse) -> Answer:
    pause = response.headers.get("Retry-After", "")
    pause_seconds = float(pause) if pause.isdecimal() else 0.0
    return Answer(response.status, response.headers, response.data, pause_seconds)


def _failure(answer: Answer) -> str | None:
    """Why the request has to be sent again, `None` where it was done. Raises `RefusedError` where that cannot help."""
    if answer.status < 300 or answer.status == 304:
        return None
    problem = _problem(answer)
    if problem.retryable:
        return str(problem)
    raise (NotAuthenticatedError if problem.status in (401, 403) else RefusedError)(problem)


def _problem(answer: Answer) -> Problem:
    if answer.status < 400:
        where = answer.headers.get("Location", "another address").partition("?")[0]
        return _no_bridge(answer.status, f"It leads to {where}: give the address of the bridge itself.")
    try:
        return msgspec.json.decode(answer.body, type=Problem)
    except msgspec.DecodeError:  # it comes from a proxy in between
        return _no_bridge(answer.status)


def _no_bridge(
    status: int, detail: str = "What answers there is no bridge; check its address, and the proxy in front of it."
) -> Problem:
    return Problem(
        type="about:blank",
        title=f"HTTP status {status}",
        status=status,
        detail=detail,
        retryable=status in (502, 503, 504),
    )
