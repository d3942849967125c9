"""The public keys of an identity provider, fetched from its address."""

import http.client
import logging
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import jwt

from bridge.auth.jwks import JwksError, Keys, matching_key, read_jwks
from bridge.core.deadline import Deadline
from bridge.core.errors import IdentityProviderUnreachableError

log = logging.getLogger(__name__)

FETCH_TIMEOUT_SECONDS = 5.0
FETCH_MAX_BYTES = 512 * 1024
REFRESH_SECONDS = 600.0  # by then a key that was withdrawn is not trusted any more
RETRY_SECONDS = 30.0  # between two fetches, whatever key is asked for: any client can make up a `kid`
KEEP_SECONDS = 24 * 3600.0  # for how long keys are trusted while no new ones can be fetched


class UrlKeys:
    """The keys at `url`, fetched in the background; one fetch at a time. Safe to use from many threads."""

    def __init__(
        self,
        url: str,
        now_seconds: Callable[[], float] = time.monotonic,
        fetch_timeout_seconds: float = FETCH_TIMEOUT_SECONDS,
    ) -> None:
        self._url = url
        self._fetch_timeout_seconds = fetch_timeout_seconds
        self._now_seconds = now_seconds
        self._keys: Keys = ()
        self._fetched_at_seconds: float | None = None
        self._tried_at_seconds: float | None = None
        self._is_fetching = False
        self._has_failed = False
        self._lock = threading.Lock()

    def start(self) -> None:
        """Fetch the keys for the first time. A failure is logged; the first token that needs a key shows it."""
        self._fetch_now(Deadline.after(self._fetch_timeout_seconds))

    def find(self, key_id: str | None, algorithm: str, deadline: Deadline) -> jwt.PyJWK | None:
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

    def _trusted(self) -> Keys:
        return self._keys if self._age_seconds(self._fetched_at_seconds) < KEEP_SECONDS else ()

    def _age_seconds(self, at_seconds: float | None) -> float:
        return float("inf") if at_seconds is None else self._now_seconds() - at_seconds

    def _fetch_now(self, deadline: Deadline) -> None:
        """Fetch and wait for the end of it, unless another thread fetches, or did so a moment ago."""
        if (fetch := self._begin_fetch()) is not None:
            fetch.join(min(self._fetch_timeout_seconds, deadline.remaining_seconds))

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
        keys, failure = None, None
        try:
            keys = read_jwks(_download(self._url, self._fetch_timeout_seconds))
        except (OSError, ValueError, http.client.HTTPException, JwksError) as error:
            failure = str(error)
        finally:
            with self._lock:
                self._has_failed, self._is_fetching = keys is None, False
                if keys is not None:
                    self._keys, self._fetched_at_seconds = keys, self._now_seconds()
        if keys is not None:
            log.info("fetched the identity provider's keys", extra={"url": self._url, "keys": len(keys)})
        else:
            log.warning("cannot fetch the identity provider's keys", extra={"url": self._url, "reason": failure})


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Makes an error of a redirect: the keys lie at the address that the operator set, and at no other."""

    def redirect_request(self, *_arguments: Any) -> None:
        """Let the redirect be an error."""


def _download(url: str, timeout_seconds: float) -> bytes:
    """What lies at `url`. Raises `OSError`, `http.client.HTTPException`, `ValueError` for a redirect to no URL.

    Also raises `JwksError` where the answer is an error, too long, or not complete after `timeout_seconds`.
    """
    deadline = Deadline.after(timeout_seconds)
    content = bytearray()
    with _opened(url, timeout_seconds) as response:
        while chunk := response.read1(FETCH_MAX_BYTES):
            content += chunk
            if len(content) > FETCH_MAX_BYTES:
                raise JwksError(f"there are more than {FETCH_MAX_BYTES} bytes")
            if not deadline.remaining_seconds:
                raise JwksError(f"it takes more than {timeout_seconds:g} s")
    return bytes(content)


def _opened(url: str, timeout_seconds: float) -> http.client.HTTPResponse:
    try:
        response: http.client.HTTPResponse = urllib.request.build_opener(_NoRedirects).open(
            url, timeout=timeout_seconds
        )
    except urllib.error.HTTPError as error:
        with error:  # it is the answer as well, and holds the connection
            raise JwksError(f"the answer is {error.code} {error.reason}") from None
    return response
