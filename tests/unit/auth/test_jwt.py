"""Which JWTs hold, and which do not: an identity provider's."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bridge.auth.callers import Caller
from bridge.auth.jwks import FileKeys
from bridge.auth.oidc import OidcTokenVerifier
from bridge.config.auth import OidcSettings
from bridge.core.deadline import Deadline
from bridge.core.errors import UnauthenticatedError
from bridge.core.scopes import Scope
from tests.support.identity_provider import (
    AUDIENCE,
    BAD_TOKENS,
    ISSUER,
    LEFT_OUT,
    jwks,
    provider_jwks,
    public_jwk,
    seconds_from_now,
    signed,
)

NO_TOKEN_OF_THE_PROVIDER = {
    "wrong-issuer",
    "no-issuer",
    "issuer-with-slash",
    "claim-twice",
    "header-twice",
    "claims-are-a-list",
    "deep-header",
    "deep-claims",
    "too-large",
    "alg-none",
    "without-signature",
    "two-parts",
    "four-parts",
    "five-parts",
    "not-base64",
    "garbage",
}


def verify(token: str, folder: Path, **settings: Any) -> Caller | None:
    (folder / "jwks.json").write_text(provider_jwks())
    return verify_with(FileKeys(folder / "jwks.json"), token, **settings)


def verify_with(keys: FileKeys, token: str, **settings: Any) -> Caller | None:
    oidc = OidcSettings(**{"issuer": ISSUER, "audience": AUDIENCE, "jwks": "/jwks.json", **settings})
    return OidcTokenVerifier(oidc, keys).verify(token, Deadline.after(5))


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(lambda: signed("rsa-1"), id="rsa"),
        pytest.param(lambda: signed("rsa-2"), id="rsa-with-alg"),
        pytest.param(lambda: signed("ec-1"), id="p-256"),
        pytest.param(lambda: signed("ec-1", {"kid": LEFT_OUT}), id="without-kid-one-suitable-key"),
        pytest.param(lambda: signed(aud=["account", AUDIENCE]), id="several-audiences"),
        pytest.param(lambda: signed(exp=seconds_from_now(-15)), id="clock-ahead"),
        pytest.param(lambda: signed(nbf=seconds_from_now(15), iat=seconds_from_now(15)), id="clock-behind"),
        pytest.param(lambda: signed("rsa-1", {"typ": "at+jwt", "jku": "https://mallory.example"}), id="more-header"),
    ],
)
def test_a_token_that_holds(token: Any, tmp_path: Path) -> None:
    assert verify(token(), tmp_path) == Caller("dispatcher", frozenset({Scope.SUBMIT, Scope.READ, Scope.CANCEL}))


@pytest.mark.parametrize("name", BAD_TOKENS)
def test_a_token_that_does_not_hold(name: str, tmp_path: Path) -> None:
    if name in NO_TOKEN_OF_THE_PROVIDER:
        assert verify(BAD_TOKENS[name](), tmp_path) is None
        return
    with pytest.raises(UnauthenticatedError) as caught:
        verify(BAD_TOKENS[name](), tmp_path)
    assert "admin" not in str(caught.value)
    assert "mallory" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "words"),
    [("expired", "has expired"), ("wrong-audience", "another service"), ("not-yet-valid", "clocks"), ("no-exp", "exp")],
)
def test_the_client_learns_why(name: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(UnauthenticatedError, match=words):
        verify(BAD_TOKENS[name](), tmp_path)


@pytest.mark.parametrize(
    ("changes", "settings", "scopes"),
    [
        pytest.param({"scope": "read"}, {}, {"read"}, id="text"),
        pytest.param({"scope": ["read", "submit", 7, {}]}, {}, {"read", "submit"}, id="list"),
        pytest.param({"scope": "profile"}, {}, set(), id="none-of-ours"),
        pytest.param({"scope": {"read": True}}, {}, set(), id="object"),
        pytest.param({"scope": LEFT_OUT}, {}, set(), id="no-claim"),
        pytest.param(
            {"realm_access": {"roles": ["read", "cancel"]}},
            {"scope_claim": "realm_access.roles"},
            {"read", "cancel"},
            id="path",
        ),
        pytest.param({"realm_access": "read"}, {"scope_claim": "realm_access.roles"}, set(), id="path-into-text"),
        pytest.param(
            {"https://tsm.example/roles": "read"},
            {"scope_claim": "https://tsm.example/roles"},
            {"read"},
            id="name-with-dots",
        ),
        pytest.param(
            {"scope": "tsm-submit read"}, {"scopes": {"tsm-submit": ["submit"]}}, {"submit"}, id="names-of-their-own"
        ),
    ],
)
def test_scopes(changes: Mapping[str, Any], settings: Mapping[str, Any], scopes: set[str], tmp_path: Path) -> None:
    caller = verify(signed(**changes), tmp_path, **settings)
    assert caller is not None
    assert caller.scopes == scopes


@pytest.mark.parametrize(
    ("claim", "name"),
    [
        pytest.param("a@b.example", "a@b.example", id="address"),
        pytest.param('Zoë "}\n', "Zo_____", id="others-than-may-be"),
        pytest.param("x" * 100, "x" * 64, id="long"),
        pytest.param("١٢", "__", id="digits-of-other-scripts"),
    ],
)
def test_names(claim: str, name: str, tmp_path: Path) -> None:
    caller = verify(signed(sub="other", email=claim), tmp_path, name_claim="email")
    assert caller is not None
    assert caller.name == name


def test_a_key_that_two_share_is_chosen_by_its_algorithm(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    path.write_text(jwks(public_jwk("rsa-1", kid="k"), public_jwk("ec-1", kid="k"), public_jwk("rsa-2", kid="l")))
    assert verify_with(FileKeys(path), signed("ec-1", {"kid": "k"})) is not None
    assert verify_with(FileKeys(path), signed("rsa-1", {"kid": "k"})) is not None
    with pytest.raises(UnauthenticatedError):
        verify_with(FileKeys(path), signed("rsa-1", {"kid": "l"}))
