"""JSON Web Tokens (RFC 7519): what a token says of itself, and whether a public key proves it."""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from bridge.auth.jwks import KeySource
from bridge.core.deadline import Deadline
from bridge.core.errors import UnauthenticatedError

TOKEN_MAX_BYTES = 16 * 1024  # those of identity providers with many groups take some kB
LEEWAY_SECONDS = 30  # by which clocks may differ
_THREE_PARTS = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+")

# PyJWT raises these after it has found the signature good: a forged token gets no reason.
_REASONS: dict[type[jwt.PyJWTError], str] = {
    jwt.ExpiredSignatureError: "has expired",
    jwt.ImmatureSignatureError: "is not valid yet: are the clocks right?",
    jwt.InvalidAudienceError: "is for another service (`aud`)",
    jwt.InvalidIssuerError: "is of another issuer (`iss`)",
    jwt.MissingRequiredClaimError: "lacks a claim that it needs, like `exp`",
}


@dataclass(frozen=True, slots=True)
class SeenJwt:
    """What a token says of itself: none of it is proven."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]


def look_at(token: str) -> SeenJwt | None:
    """What `token` says of itself; `None` where it is no signed JWT of at most `TOKEN_MAX_BYTES`.

    One with a name twice in header or claims is taken for no JWT (RFC 7519, section 4): programs may read either value.
    """
    if len(token) > TOKEN_MAX_BYTES or (parts := _THREE_PARTS.fullmatch(token)) is None:
        return None
    try:
        header, claims = map(_object, parts.groups())
    except (ValueError, RecursionError):
        return None
    return SeenJwt(header, claims)


def _object(part: str) -> dict[str, Any]:
    value = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)), object_pairs_hook=_without_duplicates)
    if not isinstance(value, dict):
        raise ValueError("no JSON object")  # noqa: TRY004 - like every other fault in a token
    return value


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a name comes twice")
    return members


class SignatureCheck:
    """Checks tokens signed with a private key: signature, `exp`, `nbf`, `iat`; `iss` and `aud` where they are given."""

    def __init__(self, keys: KeySource, *, issuer: str | None = None, audience: str | None = None) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        expected = {"iss": issuer, "aud": audience}
        self._required = ["exp", *(claim for claim, value in expected.items() if value is not None)]

    def check(self, token: str, seen: SeenJwt, deadline: Deadline) -> None:
        """Raise `UnauthenticatedError` where `token` is not valid. Also raises what `KeySource.find` does."""
        key_id, algorithm = seen.header.get("kid"), seen.header.get("alg")
        if not isinstance(key_id, str | None) or not isinstance(algorithm, str):
            raise UnauthenticatedError("The header of this token is not well-formed.")
        key = self._keys.find(key_id, algorithm, deadline)
        if key is None:
            raise UnauthenticatedError("This token is signed with no key that the service trusts.")
        try:
            jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                issuer=self._issuer,
                audience=self._audience,
                leeway=LEEWAY_SECONDS,
                options={"require": self._required, "verify_aud": self._audience is not None},
            )
        except (jwt.PyJWTError, RecursionError) as error:
            reason = next((text for kind, text in _REASONS.items() if isinstance(error, kind)), "does not hold")
            raise UnauthenticatedError(f"This token {reason}. Get a new one.") from None
