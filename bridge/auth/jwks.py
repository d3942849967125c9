"""JSON Web Key Sets (RFC 7517): the public keys by which tokens are verified, each for one algorithm only."""

import json
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from bridge.core.deadline import Deadline
from bridge.core.files import WatchedFile

log = logging.getLogger(__name__)

ALGORITHMS = {"RSA": "RS256", "EC": "ES256"}  # by type of key; keys of other types are left out
RSA_MIN_BITS = 2048  # RFC 7518, section 3.3

Keys = tuple[jwt.PyJWK, ...]


class JwksError(Exception):
    """This is no set of public keys; the message says what is wrong, for the operator, without a key's content."""


class KeySource(Protocol):
    """Has public keys."""

    def find(self, key_id: str | None, algorithm: str, deadline: Deadline) -> jwt.PyJWK | None:
        """The key for a token with this `kid` and `alg` in its header, `None` where there is none.

        Raises `IdentityProviderUnreachableError` where that cannot be told for now.
        """


class FileKeys:
    """The keys of a JWKS file, which is read again when it has changed.

    While the file cannot be used, the keys that were read before hold. Raises `JwksError` where it cannot be used at
    the start.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = WatchedFile(path, self._read, self._read_again)

    def find(self, key_id: str | None, algorithm: str, _deadline: Deadline) -> jwt.PyJWK | None:
        """See `KeySource`."""
        return matching_key(self._file.content(), key_id, algorithm)

    def _read(self) -> Keys:
        try:
            return read_jwks(self._path.read_bytes())
        except OSError as error:
            raise JwksError(f"cannot read {self._path}: {error.strerror}") from None
        except JwksError as error:
            raise JwksError(f"{self._path} {error}") from None

    def _read_again(self, known: Keys) -> Keys:
        try:
            keys = self._read()
        except JwksError as error:
            log.error("going on with the keys known before", extra={"reason": str(error)})  # noqa: TRY400
            return known
        log.info("read keys", extra={"path": str(self._path), "keys": len(keys)})
        return keys


def read_jwks(content: bytes) -> Keys:
    """The keys in a set that are for RS256 or ES256 signatures.

    Other keys, and those that are not well-formed, are left out (RFC 7517, section 5). Raises `JwksError` where no key
    remains, and where there is a secret or private key: a set that is given away holds none, and with it one can make
    tokens.
    """
    entries = _entries(content)
    if any(entry.get("kty") == "oct" or "d" in entry for entry in entries):
        raise JwksError("holds a secret or private key (`oct`, `d`): it may have public keys only")
    try:
        well_formed = jwt.PyJWKSet([dict(entry) for entry in entries if _is_for_signatures(entry)]).keys
    except jwt.PyJWKSetError:  # there are none
        well_formed = []
    keys = tuple(key for key in well_formed if not _is_short(key))
    if not keys:
        raise JwksError(f"has no well-formed key for RS256 ({RSA_MIN_BITS} bits or more) or ES256 signatures")
    return keys


def matching_key(keys: Iterable[jwt.PyJWK], key_id: str | None, algorithm: str) -> jwt.PyJWK | None:
    """The key of this id, or without an id the only one there is, for this algorithm."""
    suitable = [key for key in keys if key.algorithm_name == algorithm and key_id in (None, key.key_id)]
    return suitable[0] if len(suitable) == 1 else None


def _entries(content: bytes) -> list[Mapping[str, Any]]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise JwksError("is not JSON") from None
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise JwksError("is no JSON Web Key Set: it has no list `keys`")
    return entries


def _is_for_signatures(entry: Mapping[str, Any]) -> bool:
    algorithm = ALGORITHMS.get(str(entry.get("kty")))
    return (
        algorithm is not None
        and (algorithm != "ES256" or entry.get("crv") == "P-256")
        and entry.get("use", "sig") == "sig"
        and entry.get("alg", algorithm) == algorithm
        and isinstance(entry.get("kid"), str | None)
    )


def _is_short(key: jwt.PyJWK) -> bool:
    return isinstance(key.key, RSAPublicKey) and key.key.key_size < RSA_MIN_BITS
