"""The bridge's own tokens: `tsb_` and 256 random bits. Callers send them as Bearer tokens (RFC 6750)."""

import hashlib
import logging
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from hmac import compare_digest
from typing import Self

from bridge.auth.callers import Caller
from bridge.auth.token_file import Stamp, TokenEntry, TokenFile, TokenFileError, Tokens
from bridge.deadline import Deadline
from bridge.errors import TokensUnreadableError, UnauthenticatedError

log = logging.getLogger(__name__)

TOKEN_PREFIX = "tsb_"  # noqa: S105  # tells people and secret scanners what they see
TOKEN_BYTES = 32


def new_token() -> str:
    """A token that nobody has had before."""
    return TOKEN_PREFIX + secrets.token_urlsafe(TOKEN_BYTES)


def digest_of(token: str) -> str:
    """SHA-256 in hexadecimal digits. A slow digest with salt is for passwords: 256 random bits cannot be guessed."""
    return _sha256(token).hex()


def _sha256(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def utc_now() -> datetime:
    """The present moment."""
    return datetime.now(UTC)


def utc_text(moment: datetime) -> str:
    """RFC 3339, to the second."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


@dataclass(frozen=True, slots=True)
class _Known:
    """One token, made ready for comparison."""

    digest: bytes
    caller: Caller
    expires_at: datetime | None

    @classmethod
    def of(cls, entry: TokenEntry) -> Self:
        return cls(bytes.fromhex(entry.digest), Caller(entry.name, frozenset(entry.scopes)), entry.expires_at)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the file held when it had this stamp; `tokens` is `None` where it could not be used."""

    stamp: Stamp | None
    tokens: tuple[_Known, ...] | None


class TokenVerifier:
    """Knows the tokens of a file, and notices at the next request that the file has changed.

    While the file cannot be used none of its tokens holds. Raises `TokenFileError` where that is so at the start.
    """

    def __init__(self, file: TokenFile, now: Callable[[], datetime] = utc_now) -> None:
        self._file = file
        self._now = now
        self._lock = threading.Lock()
        self._seen = _seen(file.read())

    def verify(self, token: str, deadline: Deadline) -> Caller | None:
        """See `Verifier`; it waits for nobody."""
        if not token.startswith(TOKEN_PREFIX):
            return None
        known = _find(token, self._tokens())
        if known is None:
            raise UnauthenticatedError("This token is not known, or has been revoked: ask the operator for another.")
        if known.expires_at is not None and known.expires_at <= self._now():
            raise UnauthenticatedError(
                f"This token expired at {utc_text(known.expires_at)}: ask the operator for another."
            )
        return known.caller

    def _tokens(self) -> tuple[_Known, ...]:
        stamp = self._file.stamp()
        if stamp != self._seen.stamp:
            with self._lock:
                if stamp != self._seen.stamp:
                    self._seen = self._look(stamp)
        if (tokens := self._seen.tokens) is None:
            raise TokensUnreadableError(
                "No token can be checked now: the operator has to mend the token file. Send the request again later."
            )
        return tokens

    def _look(self, stamp: Stamp | None) -> _Seen:
        try:
            seen = _seen(self._file.read())
        except TokenFileError as error:
            detail = {"detail": str(error)}  # which says all: no traceback
            log.error("no token holds until the token file is mended", extra=detail)  # noqa: TRY400
            return _Seen(stamp, None)
        log.info("read the token file", extra={"tokens": len(seen.tokens or ())})
        return seen


def _seen(content: Tokens) -> _Seen:
    return _Seen(content.stamp, tuple(map(_Known.of, content.entries)))


def _find(token: str, tokens: tuple[_Known, ...]) -> _Known | None:
    """The token as it is known. Takes as long whichever it is, and however much of a digest agrees."""
    digest = _sha256(token)
    found = None
    for known in tokens:
        if compare_digest(known.digest, digest):
            found = known
    return found
