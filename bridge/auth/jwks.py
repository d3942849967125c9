"""JSON Web Key Sets (RFC 7517): the public keys by which tokens are verified, each for one algorithm only."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

ALGORITHMS = {"RSA": "RS256", "EC": "ES256"}  # by type of key; there are no others here
RSA_MIN_BITS = 2048  # RFC 7518, section 3.3


class JwksError(Exception):
    """This is no set of public keys; the message says what is wrong, for the operator, without a key's content."""


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key and the one algorithm it is for, whatever a token says."""

    key_id: str | None
    algorithm: str
    public_key: Any = field(repr=False)  # of `cryptography`


def read_jwks(content: bytes) -> tuple[VerificationKey, ...]:
    """The keys in a set that are for RS256 or ES256 signatures; the others are left out.

    Raises `JwksError` where there are none, and where there is a secret or private key: no set that is given away
    holds one, and whoever can read it can make tokens.
    """
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise JwksError("is not JSON") from None
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise JwksError("is no JSON Web Key Set: it has no list `keys`")
    if any(entry.get("kty") == "oct" or "d" in entry for entry in entries):
        raise JwksError("holds a secret or private key (`oct`, `d`): it may have public keys only")
    keys = tuple(_key(entry) for entry in entries if _is_for_signatures(entry))
    if not keys:
        raise JwksError("has no key for RS256 or ES256 signatures")
    return keys


def matching_key(keys: Iterable[VerificationKey], key_id: str | None, algorithm: str) -> VerificationKey | None:
    """The key of this id, or without an id the only one there is, for this algorithm."""
    suitable = [key for key in keys if key.algorithm == algorithm and key_id in (None, key.key_id)]
    return suitable[0] if len(suitable) == 1 else None


def _is_for_signatures(entry: Mapping[str, Any]) -> bool:
    algorithm = ALGORITHMS.get(str(entry.get("kty")))
    is_curve_right = algorithm != "ES256" or entry.get("crv") == "P-256"
    return (
        algorithm is not None
        and is_curve_right
        and entry.get("use", "sig") == "sig"
        and (entry.get("alg", algorithm) == algorithm)
    )


def _key(entry: Mapping[str, Any]) -> VerificationKey:
    key_id, algorithm = entry.get("kid"), ALGORITHMS[entry["kty"]]
    try:
        public_key = jwt.PyJWK(dict(entry), algorithm).key
    except jwt.PyJWTError:
        raise JwksError("has a key that is not well-formed") from None
    if isinstance(public_key, RSAPublicKey) and public_key.key_size < RSA_MIN_BITS:
        raise JwksError(f"has an RSA key of less than {RSA_MIN_BITS} bits")
    if not isinstance(key_id, str | None):
        raise JwksError("has a `kid` that is no text")
    return VerificationKey(key_id, algorithm, public_key)
