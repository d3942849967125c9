"""The bridge's own tokens: `tsb_` and 256 random bits. Callers send them as Bearer tokens (RFC 6750)."""

import hashlib
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hmac import compare_digest
from typing import ClassVar, Self

from bridge.auth.callers import BEARER_HEADER, Caller
from bridge.auth.token_file import TokenEntry, TokenFile, TokenFileError
from bridge.core.deadline import Deadline
from bridge.core.errors import TokensUnreadableError, UnauthenticatedError
from bridge.core.files import WatchedFile
from bridge.core.text import utc_now, utc_text

log = logging.getLogger(__name__)

TOKEN_PREFIX = "tsb_"  # noqa: S105  # tells people and secret scanners what they see
TOKEN_BYTES = 32


def new_token() -> str:
    """A new random token."""
    return TOKEN_PREFIX + secrets.token_urlsafe(TOKEN_BYTES)


def digest_of(token: str) -> str:
    """SHA-256 in hexadecimal digits. A slow digest with salt is for passwords: 256 random bits cannot be guessed."""
    return _sha256(token).hex()


def _sha256(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


@dataclass(frozen=True, slots=True)
class _KnownToken:
    """One token, made ready for comparison."""

    digest: bytes
    caller: Caller
    expires_at: datetime | None

    @classmethod
    def of(cls, entry: TokenEntry) -> Self:
        return cls(bytes.fromhex(entry.digest), Caller(entry.name, frozenset(entry.scopes)), entry.expires_at)


_KnownTokens = tuple[_KnownToken, ...]


class BridgeTokenVerifier:
    """Verifies the tokens of a file, and notices at the next request that the file has changed.

    While the file cannot be used no token of it is valid. Raises `TokenFileError` where it cannot be used at the start.
    """

    headers: ClassVar = frozenset({BEARER_HEADER})

    def __init__(self, file: TokenFile, now: Callable[[], datetime] = utc_now) -> None:
        self._file = file
        self._now = now
        self._watched: WatchedFile[_KnownTokens | None] = WatchedFile(file.path, self._read, self._read_again)

    def verify(self, token: str, deadline: Deadline) -> Caller | None:
        """See `Verifier`; it does not wait."""
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

    def _tokens(self) -> _KnownTokens:
        if (tokens := self._watched.content()) is None:
            raise TokensUnreadableError(
                "No token can be checked now: the operator has to correct the token file. Send the request again later."
            )
        return tokens

    def _read(self) -> _KnownTokens:
        return tuple(map(_KnownToken.of, self._file.read()))

    def _read_again(self, _before: _KnownTokens | None) -> _KnownTokens | None:
        try:
            tokens = self._read()
        except TokenFileError as error:
            detail = {"detail": str(error)}  # which says all: no traceback
            log.error("no token is valid until the token file is corrected", extra=detail)  # noqa: TRY400
            return None
        log.info("read the token file", extra={"tokens": len(tokens)})
        return tokens


def _find(token: str, tokens: _KnownTokens) -> _KnownToken | None:
    """The entry of `token`. The time it takes tells neither which entry it is nor how much of a digest agrees."""
    digest = _sha256(token)
    found = None
    for known in tokens:
        if compare_digest(known.digest, digest):
            found = known
    return found
