"""Slurm's tokens and those of an identity provider, on the live service with a real controller."""

import base64
import hashlib
import hmac
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.config.settings import SettingsError
from bridge.core.errors import SlurmRefusedError
from bridge.services import require_cluster_tokens
from tests.contract.gateway import soon
from tests.support.bridge_process import Bridge, running_bridge, service_environment
from tests.support.identity_provider import AUDIENCE, BAD_TOKENS, ISSUER, provider_jwks, put_together, signed
from tests.support.private_slurm import PrivateSlurm
from tests.support.real_gateway import running_gateway
from tests.support.samples import QAQC_BODY
from tests.support.waiting import wait_until

USER = "sontsm"
READER = "nobody"
INVALID_TOKEN = 'Bearer realm="tsm-slurm-bridge", error="invalid_token"'
ROUTES = [
    pytest.param("GET", "/jobs", id="list"),
    pytest.param("POST", "/qaqc/run", id="submit"),
    pytest.param("DELETE", "/jobs/1", id="cancel"),
    pytest.param("GET", "/jobs/1/stdout", id="output"),
]


@pytest.fixture(scope="module")
def bridge(slurm: PrivateSlurm, shared_folder: Path) -> Iterator[Bridge]:
    """It takes tokens of both sorts."""
    (shared_folder / "jwks.json").write_text(provider_jwks())
    folder = shared_folder / "bridge"
    folder.mkdir()
    own = {
        "BRIDGE_SLURM_TOKENS__USERS": json.dumps({USER: ["submit", "read"], READER: ["read"]}),
        "BRIDGE_OIDC__ISSUER": ISSUER,
        "BRIDGE_OIDC__AUDIENCE": AUDIENCE,
        "BRIDGE_OIDC__JWKS": str(shared_folder / "jwks.json"),
    }
    with running_bridge(folder, service_environment(slurm, folder, ["/bin/true", "main.py"], **own)) as bridge:
        yield bridge


def call(bridge: Bridge, method: str, path: str, **headers: str) -> tuple[int, str, str | None]:
    """Status, last word of the problem's type, and challenge."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = json.dumps(QAQC_BODY).encode() if method == "POST" else None
    request = urllib.request.Request(
        bridge.url + path, body, {"Content-Type": "application/json", **named}, method=method
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, "", response.headers["WWW-Authenticate"]
    except urllib.error.HTTPError as error:
        with error:
            problem = json.loads(error.read())
            return error.code, problem["type"].rpartition(":")[2], error.headers["WWW-Authenticate"]


def token_of(slurm: PrivateSlurm, user: str, lifespan_seconds: int = 300) -> str:
    """As root makes one for a user."""
    return slurm.run("scontrol", "token", f"username={user}", f"lifespan={lifespan_seconds}").strip().partition("=")[2]


def made_with_the_key(slurm: PrivateSlurm, **claims: Any) -> str:
    """What `scontrol token` would not make, signed with the cluster's own key."""
    key = (slurm.folder / "jwt.key").read_bytes()
    now = int(time.time())
    return put_together(
        {"alg": "HS256", "typ": "JWT"},
        {"exp": now + 300, "iat": now, **claims},
        lambda message: hmac.new(key, message, hashlib.sha256).digest(),
    )


def with_user(token: str, user: str) -> str:
    """The token with another user in it, and the old signature."""
    header, body, signature = token.split(".")
    claims = {**json.loads(base64.urlsafe_b64decode(body + "==")), "sun": user}
    return ".".join((header, base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("="), signature))


def test_a_users_own_token_is_taken_in_both_headers(bridge: Bridge, slurm: PrivateSlurm) -> None:
    token = slurm.run("scontrol", "token", user=USER).strip().partition("=")[2]
    assert call(bridge, "GET", "/jobs", X_SLURM_USER_TOKEN=token) == (200, "", None)
    assert call(bridge, "GET", "/jobs", Authorization=f"Bearer {token}") == (200, "", None)
    assert call(bridge, "POST", "/qaqc/run", X_SLURM_USER_TOKEN=token) == (202, "", None)
    wait_until(lambda: '"caller":"sontsm"' in bridge.log, "the log says whose request it was")
    assert token not in bridge.log


def test_each_user_has_scopes_of_its_own(bridge: Bridge, slurm: PrivateSlurm) -> None:
    token = token_of(slurm, READER)
    challenge = 'Bearer realm="tsm-slurm-bridge", error="insufficient_scope", scope="submit"'
    assert call(bridge, "GET", "/jobs", X_SLURM_USER_TOKEN=token)[0] == 200
    assert call(bridge, "POST", "/qaqc/run", X_SLURM_USER_TOKEN=token) == (403, "forbidden", challenge)
    assert call(bridge, "POST", "/qaqc/run", X_SLURM_USER_TOKEN=token, X_SLURM_USER_NAME=USER)[0] == 403


BAD_SLURM_TOKENS: dict[str, Callable[[PrivateSlurm], str]] = {
    "forged": lambda slurm: token_of(slurm, USER).rpartition(".")[0] + "." + "A" * 43,
    "another-users-name": lambda slurm: with_user(token_of(slurm, READER), USER),
    "user-who-may-not-call": lambda slurm: token_of(slurm, "root"),
    "expired": lambda slurm: made_with_the_key(slurm, sun=USER, exp=int(time.time()) - 1),
    "user-in-another-claim": lambda slurm: made_with_the_key(slurm, username=USER),
    "exp-in-text": lambda slurm: made_with_the_key(slurm, sun=USER, exp="9999999999"),
    "of-the-identity-provider": lambda _: signed(),
    "of-the-identity-provider-with-a-user": lambda _: signed(sun=USER),
    "garbage": lambda _: "garbage",
}


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize("name", BAD_SLURM_TOKENS)
def test_a_bad_token_of_slurms(bridge: Bridge, slurm: PrivateSlurm, name: str, method: str, path: str) -> None:
    token = BAD_SLURM_TOKENS[name](slurm)
    expected = (401, "unauthenticated", INVALID_TOKEN)
    assert call(bridge, method, path, X_SLURM_USER_TOKEN=token) == expected
    if not name.startswith("of-the-identity-provider"):
        assert call(bridge, method, path, Authorization=f"Bearer {token}") == expected
        assert call(bridge, method, path, X_SLURM_USER_TOKEN=token, X_SLURM_USER_NAME=USER) == expected


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize("name", BAD_TOKENS)
def test_a_bad_token_of_the_identity_provider(bridge: Bridge, name: str, method: str, path: str) -> None:
    token = BAD_TOKENS[name]()
    is_head_too_large = name == "too-large"  # no request may have such headers
    expected = (431, "head-too-large", None) if is_head_too_large else (401, "unauthenticated", INVALID_TOKEN)
    assert call(bridge, method, path, Authorization=f"Bearer {token}") == expected
    assert call(bridge, method, path, X_SLURM_USER_TOKEN=token) == expected


def test_tokens_of_the_identity_provider(bridge: Bridge) -> None:
    assert call(bridge, "POST", "/qaqc/run", Authorization=f"Bearer {signed()}")[0] == 202
    assert call(bridge, "POST", "/qaqc/run", Authorization=f"Bearer {signed('ec-1', scope='read')}")[:2] == (
        403,
        "forbidden",
    )
    assert call(bridge, "GET", "/jobs") == (401, "unauthenticated", 'Bearer realm="tsm-slurm-bridge"')
    assert call(bridge, "GET", "/health")[0] == 200


def test_a_controller_that_is_away_is_not_a_no(bridge: Bridge, slurm: PrivateSlurm) -> None:
    known, new = token_of(slurm, USER, 301), token_of(slurm, USER, 302)
    assert call(bridge, "GET", "/jobs", X_SLURM_USER_TOKEN=known)[0] == 200
    slurm.kill_controller()
    try:
        assert call(bridge, "GET", "/jobs", X_SLURM_USER_TOKEN=known)[0] == 200  # the board, and the answer of before
        assert call(bridge, "GET", "/jobs", X_SLURM_USER_TOKEN=new)[:2] == (503, "controller-unreachable")
        assert call(bridge, "GET", "/health")[0] == 200
    finally:
        slurm.start_controller()
    assert call(bridge, "GET", "/jobs", X_SLURM_USER_TOKEN=new)[0] == 200


def test_a_controller_that_hangs_is_not_a_no(bridge: Bridge, slurm: PrivateSlurm) -> None:
    new = token_of(slurm, USER, 303)
    slurm.pause_controller()
    try:
        assert call(bridge, "GET", "/jobs", X_SLURM_USER_TOKEN=new)[:2] == (503, "controller-unreachable")
    finally:
        slurm.resume_controller()
    assert call(bridge, "GET", "/jobs", X_SLURM_USER_TOKEN=new)[0] == 200


def test_a_cluster_without_tokens_is_named(shared_folder: Path) -> None:
    folder = shared_folder / "without-tokens"
    folder.mkdir()
    with PrivateSlurm(folder, overrides={"AuthAltTypes": ""}) as slurm, running_gateway(slurm, workers=1) as gateway:
        with pytest.raises(SettingsError, match="slurm_tokens: the cluster knows no tokens"):
            require_cluster_tokens(gateway)
        with pytest.raises(SlurmRefusedError, match="AuthAltTypes"):
            gateway.verify_token("a.b.c", soon())
