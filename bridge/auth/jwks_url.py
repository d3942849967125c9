"""Public keys of an identity provider."""

import http.client
import logging
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

from bridge.auth.jwks import JwksError, VerificationKey, matching_key, read_jwks
from bridge.deadline import Deadline
from bridge.errors import IdentityProviderUnreachableError

log = logging.getLogger(__name__)

FETCH_TIMEOUT_SECONDS = 5.0
FETCH_MAX_BYTES = 512 * 1024
REFRESH_SECONDS = 600.0  # by then a key that was withdrawn is not trusted any more
RETRY_SECONDS = 30.0  # between two fetches, whatever is asked for: anybody can make up a `kid`
KEEP_SECONDS = 24 * 3600.0  # for how long keys are trusted while no new ones can be fetched


class UrlKeys:
    """The keys at `url`, fetched in the background; one fetch at a time. Safe to use from many threads."""

    def __init__(self, url: str, now_seconds: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._now_seconds = now_seconds
        self._keys: tuple[VerificationKey, ...] = ()
        self._fetched_at_seconds: float | None = None
        self._tried_at_seconds: float | None = None
        self._is_fetching = False
        self._has_failed = False
        self._lock = threading.Lock()

    def start(self) -> None:
        """Fetch the keys for the first time; that this fails is logged and does not matter yet."""
        self._fetch_now(Deadline.after(FETCH_TIMEOUT_SECONDS))

    def find(self, key_id: str | None, algorithm: str, deadline: Deadline) -> VerificationKey | None:
        """See `KeySource`. The first to ask for a key that is not known waits for a fetch."""
        key = matching_key(self._trusted(), key_id, algorithm)
        if key is not None:
            if self._age_seconds(self._tried_at_seconds) >= REFRESH_SECONDS:
                self._begin_fetch()
            return key
        self._fetch_now(deadline)
        key = matching_key(self._trusted(), key_id, algorithm)
        if key is None and (self._has_failed or self._is_fetching):
            raise IdentityProviderUnreachableError(
                "The identity provider's keys cannot be fetched, so the token cannot be checked. Try again later."
            )
        return key

    def _trusted(self) -> tuple[VerificationKey, ...]:
        return self._keys if self._age_seconds(self._fetched_at_seconds) < KEEP_SECONDS else ()

    def _age_seconds(self, at_seconds: float | None) -> float:
        return float("inf") if at_seconds is None else self._now_seconds() - at_seconds

    def _fetch_now(self, deadline: Deadline) -> None:
        """Fetch, unless somebody else does or has done so a moment ago, and wait for the end of it."""
        if (fetch := self._begin_fetch()) is not None:
            fetch.join(min(FETCH_TIMEOUT_SECONDS, deadline.remaining_seconds))

    def _begin_fetch(self) -> threading.Thread | None:
        with self._lock:
            if self._is_fetching or self._age_seconds(self._tried_at_seconds) < RETRY_SECONDS:
                return None
            self._is_fetching = True
            self._tried_at_seconds = self._now_seconds()
        fetch = threading.Thread(target=self._fetch, daemon=True)
        fetch.start()
        return fetch

    def _fetch(self) -> None:
        keys = None
        try:
            keys = read_jwks(_download(self._url))
            log.info("fetched the identity provider's keys", extra={"url": self._url, "keys": len(keys)})
        except (OSError, ValueError, http.client.HTTPException, JwksError) as error:
            log.warning("cannot fetch the identity provider's keys", extra={"url": self._url, "reason": str(error)})
        finally:
            with self._lock:
                self._has_failed, self._is_fetching = keys is None, False
                if keys is not None:
                    self._keys, self._fetched_at_seconds = keys, self._now_seconds()


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """An address that others choose is not where the operator said the keys are."""

    def redirect_request(self, *_arguments: Any) -> None:
        """Let the redirect be an error."""


def _download(url: str) -> bytes:
    """Raises `OSError`, `http.client.HTTPException`, `ValueError` for a redirect that leads to no URL.

    And `JwksError` where it is too long or takes too long.
    """
    deadline = Deadline.after(FETCH_TIMEOUT_SECONDS)
    content = bytearray()
    with _opened(url) as response:
        while chunk := response.read1(FETCH_MAX_BYTES):
            content += chunk
            if len(content) > FETCH_MAX_BYTES:
                raise JwksError(f"there are more than {FETCH_MAX_BYTES} bytes")
            if not deadline.remaining_seconds:
                raise JwksError(f"it takes more than {FETCH_TIMEOUT_SECONDS:g} s")
    return bytes(content)


def _opened(url: str) -> http.client.HTTPResponse:
    try:
        response: http.client.HTTPResponse = urllib.request.build_opener(_NoRedirects).open(
            url, timeout=FETCH_TIMEOUT_SECONDS
        )
    except urllib.error.HTTPError as error:
        with error:  # it is the answer as well, and holds the connection
            raise JwksError(f"the answer is {error.code} {error.reason}") from None
    return response
