"""Access tokens of an identity provider (OpenID Connect): JWTs that carry its issuer and our audience."""

from collections.abc import Mapping
from typing import Any, ClassVar

from bridge.auth.callers import BEARER_HEADER, Caller, name_from
from bridge.auth.jwks import KeySource
from bridge.auth.jwt import SignatureCheck, look_at
from bridge.config.auth import OidcSettings
from bridge.core.deadline import Deadline
from bridge.core.errors import UnauthenticatedError
from bridge.core.scopes import Scope


class OidcTokenVerifier:
    """Verifies the tokens of one issuer, and knows which of our scopes their claims stand for."""

    headers: ClassVar = frozenset({BEARER_HEADER})

    def __init__(self, settings: OidcSettings, keys: KeySource) -> None:
        self._settings = settings
        self._check = SignatureCheck(keys, issuer=settings.issuer, audience=settings.audience)

    def verify(self, token: str, deadline: Deadline) -> Caller | None:
        """See `Verifier`. Also raises `IdentityProviderUnreachableError`."""
        seen = look_at(token)
        if seen is None or seen.claims.get("iss") != self._settings.issuer:
            return None
        self._check.check(token, seen, deadline)
        name = _claim(seen.claims, self._settings.name_claim)
        if not isinstance(name, str) or not name:
            raise UnauthenticatedError(f"This token lacks the claim `{self._settings.name_claim}`, who it is for.")
        return Caller(name_from(name), self._scopes(_claim(seen.claims, self._settings.scope_claim)))

    def _scopes(self, claim: Any) -> frozenset[Scope]:
        """What a list of texts stands for, or one text with spaces between (RFC 6749, section 3.3)."""
        values = claim.split() if isinstance(claim, str) else claim if isinstance(claim, list) else []
        known = self._settings.scopes
        return frozenset().union(*(known.get(value, frozenset()) for value in values if isinstance(value, str)))


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """The claim called `name`, or else the one at this dotted path; `None` where there is neither."""
    if name in claims:
        return claims[name]
    value: Any = claims
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value
