"""Slurm's tokens: which the controller is asked about, how often, and what its silence means."""

import json
import logging
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from bridge.auth.callers import Caller
from bridge.auth.slurm_token_cache import (
    BAD_SECONDS,
    FRESH_SECONDS,
    GOOD_SECONDS,
    WAITERS_MAX,
    SlurmTokenCache,
)
from bridge.auth.slurm_tokens import SlurmTokenVerifier
from bridge.auth.verifiers import verifiers_of
from bridge.config.auth import OidcSettings, SlurmTokenSettings
from bridge.config.settings import SettingsError
from bridge.core.deadline import Deadline
from bridge.core.errors import ControllerUnreachableError, OverloadedError, UnauthenticatedError
from bridge.core.scopes import Scope
from bridge.services import require_cluster_tokens
from bridge.slurm.messages import ControllerFacts
from tests.support.application import running_application
from tests.support.clock import Clock
from tests.support.identity_provider import (
    AUDIENCE,
    BAD_TOKENS,
    ISSUER,
    LEFT_OUT,
    claims,
    hmac_signature,
    provider_jwks,
    put_together,
    signed,
)
from tests.support.memory_gateway import MemoryGateway
from tests.support.samples import settings
from tests.support.waiting import wait_until

USERS = {"alice": frozenset({Scope.SUBMIT, Scope.READ}), "bob": frozenset({Scope.READ})}
ALICE = Caller("alice", USERS["alice"])
HS256 = {"alg": "HS256", "typ": "JWT"}


def slurm_token(header: Any = HS256, **changes: Any) -> str:
    """As `scontrol token` makes them."""
    now = int(time.time())
    body = {"exp": now + 300, "iat": now, "sun": "alice", **changes}
    kept = {name: value for name, value in body.items() if value is not LEFT_OUT}
    return put_together(header, kept, hmac_signature(b"the cluster's"))


def body_as_text(text: str) -> str:
    return put_together(HS256, text, hmac_signature(b"the cluster's"))


@pytest.fixture
def gateway() -> MemoryGateway:
    return MemoryGateway()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(gateway: MemoryGateway, clock: Clock) -> SlurmTokenVerifier:
    return SlurmTokenVerifier(USERS, "sun", SlurmTokenCache(gateway, clock))


def verify(tokens: SlurmTokenVerifier, token: str, seconds: float = 5.0) -> Caller | None:
    return tokens.verify(token, Deadline.after(seconds))


def test_a_token_that_the_controller_accepts(tokens: SlurmTokenVerifier, gateway: MemoryGateway) -> None:
    token = slurm_token()
    gateway.good_tokens.add(token)
    assert verify(tokens, token) == ALICE
    with pytest.raises(UnauthenticatedError, match="does not accept"):
        verify(tokens, token + "x")


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(slurm_token(sun="mallory"), id="user-who-may-not-call"),
        pytest.param(slurm_token(sun="Alice"), id="other-letter-case"),
        pytest.param(slurm_token(sun="alice\0"), id="nul"),
        pytest.param(slurm_token(sun=["alice"]), id="list"),
        pytest.param(slurm_token(sun=""), id="nobody"),
        pytest.param(slurm_token(exp=int(time.time()) - 1), id="expired"),
        pytest.param(slurm_token(exp=LEFT_OUT), id="no-exp"),
        pytest.param(slurm_token(exp=str(int(time.time()) + 300)), id="exp-is-text"),
        pytest.param(slurm_token(exp=True), id="exp-is-true"),
        pytest.param(body_as_text('{"exp": 1e400, "sun": "alice"}'), id="exp-is-infinite"),
        pytest.param(slurm_token({"alg": "none"}), id="alg-none"),
        pytest.param(slurm_token({"alg": "RS256"}), id="rs256"),
        pytest.param(slurm_token({"alg": "HS512"}), id="hs512"),
        pytest.param(slurm_token({}), id="no-alg"),
    ],
)
def test_the_controller_is_not_bothered_with(token: str, tokens: SlurmTokenVerifier, gateway: MemoryGateway) -> None:
    gateway.good_tokens.add(token)
    with pytest.raises(UnauthenticatedError):
        verify(tokens, token)
    assert gateway.token_checks == 0


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(slurm_token(sun=LEFT_OUT), id="no-user"),
        # The controller takes `username` for the user of a token that has no `sun`.
        pytest.param(slurm_token(sun=LEFT_OUT, username="alice"), id="username"),
        pytest.param(body_as_text('{"exp": 9999999999, "sun": "root", "sun": "alice"}'), id="two-users"),
        pytest.param(slurm_token(padding="x" * 17_000), id="too-large"),
        pytest.param("garbage", id="garbage"),
        pytest.param("", id="empty"),
    ],
)
def test_what_is_no_token_of_slurms(token: str, tokens: SlurmTokenVerifier, gateway: MemoryGateway) -> None:
    gateway.good_tokens.add(token)
    assert verify(tokens, token) is None
    assert gateway.token_checks == 0


def test_the_controllers_yes_is_kept_for_a_moment(
    tokens: SlurmTokenVerifier, gateway: MemoryGateway, clock: Clock
) -> None:
    token = slurm_token()
    gateway.good_tokens.add(token)
    for _ in range(10):
        verify(tokens, token)
    assert gateway.token_checks == 1
    clock.now_seconds += FRESH_SECONDS
    for _ in range(10):
        verify(tokens, token)
    assert gateway.token_checks == 2
    gateway.good_tokens.clear()
    clock.now_seconds += FRESH_SECONDS
    for gateway.is_dead in (False, True):
        with pytest.raises(UnauthenticatedError):
            verify(tokens, token)


def test_a_yes_outlives_the_controller_for_a_moment(
    tokens: SlurmTokenVerifier, gateway: MemoryGateway, clock: Clock
) -> None:
    token = slurm_token()
    gateway.good_tokens.add(token)
    verify(tokens, token)
    gateway.is_dead = True
    clock.now_seconds += GOOD_SECONDS - 1
    assert verify(tokens, token) == ALICE
    clock.now_seconds += 1
    with pytest.raises(ControllerUnreachableError):
        verify(tokens, token)


def test_a_yes_does_not_outlive_the_token(
    tokens: SlurmTokenVerifier, gateway: MemoryGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = slurm_token()
    gateway.good_tokens.add(token)
    verify(tokens, token)
    later = time.time() + 301
    monkeypatch.setattr(time, "time", lambda: later)
    with pytest.raises(UnauthenticatedError, match="expired"):
        verify(tokens, token)


def test_the_controllers_no_is_kept_for_a_moment(
    tokens: SlurmTokenVerifier, gateway: MemoryGateway, clock: Clock
) -> None:
    token = slurm_token()
    for _ in range(10):
        with pytest.raises(UnauthenticatedError):
            verify(tokens, token)
    assert gateway.token_checks == 1
    gateway.good_tokens.add(token)
    clock.now_seconds += BAD_SECONDS
    assert verify(tokens, token) == ALICE


def test_silence_is_no_no(tokens: SlurmTokenVerifier, gateway: MemoryGateway) -> None:
    token = slurm_token()
    gateway.good_tokens.add(token)
    gateway.is_dead = True
    with pytest.raises(ControllerUnreachableError):
        verify(tokens, token)
    gateway.is_dead = False
    assert verify(tokens, token) == ALICE


def test_a_flood_of_bad_tokens_displaces_no_good_one(gateway: MemoryGateway, clock: Clock) -> None:
    tokens = SlurmTokenVerifier(USERS, "sun", SlurmTokenCache(gateway, clock, remembered_max=10))
    good = slurm_token()
    gateway.good_tokens.add(good)
    verify(tokens, good)
    bad = [slurm_token(number=number) for number in range(11)]
    for token in bad:
        with pytest.raises(UnauthenticatedError):
            verify(tokens, token)
    gateway.is_dead = True
    assert verify(tokens, good) == ALICE
    for token in bad[1:]:
        with pytest.raises(UnauthenticatedError):
            verify(tokens, token)
    with pytest.raises(ControllerUnreachableError):  # the oldest answer has been forgotten: the controller is asked
        verify(tokens, bad[0])


def test_a_flood_leaves_threads_to_others(tokens: SlurmTokenVerifier, gateway: MemoryGateway) -> None:
    known = slurm_token(number=0)
    gateway.good_tokens.add(known)
    verify(tokens, known)
    gateway.is_paused = True
    outcomes: list[str] = []

    def call(number: int) -> None:
        try:
            verify(tokens, slurm_token(number=number), 2.0)
        except (ControllerUnreachableError, OverloadedError) as error:
            outcomes.append(str(error))

    threads = [threading.Thread(target=call, args=(number,)) for number in range(1, 41)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(outcomes) >= 40 - WAITERS_MAX, "requests that found no place are answered")
    assert verify(tokens, known) == ALICE
    for thread in threads:
        thread.join()
    assert sum("already wait for Slurm to check their tokens" in outcome for outcome in outcomes) == 40 - WAITERS_MAX


def test_requests_with_the_same_token_ask_once(
    tokens: SlurmTokenVerifier, gateway: MemoryGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = slurm_token()
    asked: list[str] = []

    def verify_slowly(token: str, _deadline: Deadline) -> bool:
        asked.append(token)
        time.sleep(0.2)
        return True

    monkeypatch.setattr(gateway, "verify_token", verify_slowly)
    threads = [threading.Thread(target=verify, args=(tokens, token)) for _ in range(WAITERS_MAX)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert asked == [token]


def test_a_cluster_without_tokens_is_named_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = MemoryGateway()
    require_cluster_tokens(gateway)
    without = ControllerFacts(0, 300, has_accounting=False, has_tokens=False)
    monkeypatch.setattr(gateway, "controller", lambda _: without)
    with pytest.raises(SettingsError, match="set AuthAltTypes=auth/jwt"):
        require_cluster_tokens(gateway)


def test_a_cluster_that_is_away_is_asked_later(gateway: MemoryGateway, caplog: pytest.LogCaptureFixture) -> None:
    gateway.is_dead = True
    require_cluster_tokens(gateway)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def oidc_settings(folder: Path) -> OidcSettings:
    path = folder / "jwks.json"
    path.write_text(provider_jwks())
    return OidcSettings(issuer=ISSUER, audience=AUDIENCE, jwks=str(path))


def test_each_token_goes_to_who_knows_its_sort(gateway: MemoryGateway, tmp_path: Path) -> None:
    own = slurm_token()
    of_both = slurm_token(iss=ISSUER)
    gateway.good_tokens.update({own, of_both, signed(sun="alice")})
    with running_application(
        gateway, settings(oidc=oidc_settings(tmp_path), slurm_tokens=SlurmTokenSettings(users=USERS))
    ) as client:

        def status(**headers: str) -> int:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return client.simulate_get("/jobs", headers=named).status_code

        assert status(Authorization=f"Bearer {own}") == 200
        assert status(X_SLURM_USER_TOKEN=own) == 200
        assert status(Authorization=f"Bearer {signed()}") == 200
        assert status(X_SLURM_USER_TOKEN=signed()) == 401
        assert status(X_SLURM_USER_TOKEN=signed(sun="alice")) == 401
        assert status(Authorization=f"Bearer {of_both}") == 401
        assert status(X_SLURM_USER_TOKEN=own, Authorization=f"Bearer {own}") == 401
        assert status(X_SLURM_USER_TOKEN=slurm_token(sun="bob"), X_SLURM_USER_NAME="alice") == 401
        assert status(X_SLURM_USER_NAME="alice") == 401
        assert status(Authorization=f"Basic {own}") == 401


def test_a_scope_that_is_missing_is_forbidden(gateway: MemoryGateway) -> None:
    token = slurm_token(sun="bob")
    gateway.good_tokens.add(token)
    with running_application(gateway, settings(slurm_tokens=SlurmTokenSettings(users=USERS))) as client:
        result = client.simulate_delete("/jobs/1", headers={"X-SLURM-USER-TOKEN": token, "X-SLURM-USER-NAME": "alice"})
    assert (result.status_code, result.json["type"]) == (403, "urn:tsm-slurm-bridge:forbidden")
    assert "bob lacks" in result.json["detail"]


def test_without_the_providers_keys_the_answer_is_503(gateway: MemoryGateway) -> None:
    oidc = OidcSettings(issuer=ISSUER, audience=AUDIENCE, jwks="http://127.0.0.1:9/jwks")  # no program listens there
    with running_application(gateway, settings(oidc=oidc)) as client:
        result = client.simulate_get("/jobs", headers={"Authorization": f"Bearer {signed()}"})
        forged = client.simulate_get("/jobs", headers={"Authorization": f"Bearer {signed(iss='x')}"})
    assert (result.status_code, result.json["type"]) == (503, "urn:tsm-slurm-bridge:identity-provider-unreachable")
    assert result.headers["retry-after"] == "30"
    assert forged.status_code == 401


def test_public_keys_of_the_cluster_check_without_the_controller(gateway: MemoryGateway, tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    path.write_text(provider_jwks())
    own = SlurmTokenSettings(users=USERS, jwks_path=path, user_claim="uid")
    (tokens,) = verifiers_of(settings(slurm_tokens=own), gateway)
    good = signed(iss=LEFT_OUT, aud=LEFT_OUT, uid="alice")
    assert tokens.verify(good, Deadline.after(5)) == ALICE
    assert tokens.verify(signed(aud="anybody", uid="alice"), Deadline.after(5)) == ALICE
    for bad in (signed("mallory", uid="alice"), signed(uid="mallory"), signed(uid="alice", exp=LEFT_OUT)):
        with pytest.raises(UnauthenticatedError):
            tokens.verify(bad, Deadline.after(5))
    forged = put_together({"alg": "HS256", "kid": "rsa-1"}, claims(uid="alice"), hmac_signature(b"x"))
    with pytest.raises(UnauthenticatedError):
        tokens.verify(forged, Deadline.after(5))
    assert gateway.token_checks == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param(
            {"slurm_tokens": {"users": USERS, "jwks_path": "/nowhere"}}, "slurm_tokens.jwks_path: cannot", id="slurm"
        ),
        pytest.param(
            {"oidc": {"issuer": ISSUER, "audience": AUDIENCE, "jwks": "/nowhere"}}, "oidc.jwks: cannot", id="oidc"
        ),
    ],
)
def test_keys_that_are_missing_refuse_the_start(gateway: MemoryGateway, changes: Any, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        verifiers_of(settings(**changes), gateway)


def test_no_token_is_logged_or_shown(gateway: MemoryGateway, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    own = settings(oidc=oidc_settings(tmp_path), slurm_tokens=SlurmTokenSettings(users=USERS))
    offered = [make() for make in BAD_TOKENS.values()] + [slurm_token(), slurm_token(sun="mallory"), signed(scope="x")]
    with running_application(gateway, own) as client, caplog.at_level(logging.DEBUG):
        shown = [client.simulate_get("/jobs", headers={"Authorization": f"Bearer {token}"}).text for token in offered]
    everything = json.dumps(shown) + repr([vars(record) for record in caplog.records])
    assert "mallory" not in everything
    assert not [token for token in offered if len(token) > 10 and (token in everything or token[-20:] in everything)]
