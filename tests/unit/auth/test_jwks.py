"""Where public keys come from: a file that changes, an identity provider that is away."""

import json
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest

from bridge.auth.jwks import FileKeys, JwksError, matching_key, read_jwks
from bridge.auth.jwks_fetch import FETCH_MAX_BYTES, KEEP_SECONDS, REFRESH_SECONDS, RETRY_SECONDS, UrlKeys
from bridge.core.deadline import Deadline
from bridge.core.errors import IdentityProviderUnreachableError
from tests.support.clock import Clock
from tests.support.identity_provider import jwks, private_key, provider_jwks, public_jwk
from tests.support.waiting import wait_until

PRIVATE_JWK = jwt.algorithms.RSAAlgorithm.to_jwk(private_key("rsa-1"), as_dict=True)
WEAK_JWK = {**public_jwk("rsa-1"), "n": public_jwk("rsa-1")["n"][:150]}


def soon() -> Deadline:
    return Deadline.after(5)


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(public_jwk("rsa-1", use="enc"), id="for-encryption"),
        pytest.param(public_jwk("rsa-1", alg="PS256"), id="other-algorithm"),
        pytest.param(public_jwk("rsa-1", alg=["RS256"]), id="algorithm-is-a-list"),
        pytest.param(public_jwk("ec-1", crv="P-384"), id="other-curve"),
        pytest.param({"kty": "OKP", "crv": "Ed25519", "x": "AA"}, id="other-type"),
        pytest.param({}, id="empty"),
        pytest.param(public_jwk("rsa-1", n=5), id="number"),
        pytest.param(public_jwk("rsa-1", e=None), id="half-a-key"),
        pytest.param(public_jwk("ec-1", x="canary"), id="not-on-the-curve"),
        pytest.param(WEAK_JWK, id="weak"),
        pytest.param(public_jwk("rsa-1", kid=7), id="kid-is-a-number"),
    ],
)
def test_other_keys_are_left_out(entry: dict[str, Any]) -> None:
    assert [key.key_id for key in read_jwks(jwks(entry, public_jwk("rsa-2")).encode())] == ["rsa-2"]
    with pytest.raises(JwksError, match=r"no well-formed key for RS256 \(2048 bits or more\) or ES256"):
        read_jwks(jwks(entry).encode())


def test_only_keys_for_signatures_are_taken() -> None:
    others = (
        public_jwk("ec-1", crv="P-384"),
        public_jwk("rsa-1", alg="PS256"),
        {"kty": "OKP", "crv": "Ed25519", "x": "AA"},
    )
    keys = read_jwks(json.dumps({"keys": [*json.loads(provider_jwks())["keys"], *others]}).encode())
    assert [(key.key_id, key.algorithm_name) for key in keys] == [
        ("rsa-1", "RS256"),
        ("rsa-2", "RS256"),
        ("ec-1", "ES256"),
    ]
    assert matching_key(keys, "rsa-1", "ES256") is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param("", "is not JSON", id="empty"),
        pytest.param("[" * 100_000, "is not JSON", id="deep"),
        pytest.param("[]", "has no list `keys`", id="list"),
        pytest.param('{"keys": {}}', "has no list `keys`", id="object"),
        pytest.param('{"keys": ["canary"]}', "has no list `keys`", id="texts"),
        pytest.param('{"keys": []}', "has no well-formed key", id="none"),
        pytest.param(jwks({"kty": "oct", "k": "canary"}, public_jwk("rsa-1")), "secret", id="oct"),
        pytest.param(jwks(PRIVATE_JWK), "private", id="private"),
        pytest.param(jwks(public_jwk("ec-1", x="canary")), "has no well-formed key", id="not-on-the-curve"),
    ],
)
def test_a_bad_set_is_refused(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    path.write_text(content)
    with pytest.raises(JwksError, match=message) as caught:
        FileKeys(path)
    assert str(path) in str(caught.value)
    assert "canary" not in str(caught.value)


def test_a_file_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(JwksError, match=r"cannot read .*No such file"):
        FileKeys(tmp_path / "jwks.json")


def test_a_file_is_read_again_when_it_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    path.write_text(jwks(public_jwk("rsa-1")))
    keys = FileKeys(path)
    assert keys.find("rsa-2", "RS256", soon()) is None
    path.write_text(jwks(public_jwk("rsa-2")))
    assert keys.find("rsa-2", "RS256", soon()) is not None
    assert keys.find("rsa-1", "RS256", soon()) is None


@pytest.mark.parametrize("content", [None, "canary"], ids=["removed", "broken"])
def test_a_file_that_breaks_leaves_what_is_known(
    content: str | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "jwks.json"
    path.write_text(jwks(public_jwk("rsa-1")))
    keys = FileKeys(path)
    path.unlink()
    if content is not None:
        path.write_text(content)
    for _ in range(3):
        assert keys.find("rsa-1", "RS256", soon()) is not None
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 1
    assert "canary" not in caplog.text
    path.write_text(jwks(public_jwk("rsa-2")))
    assert keys.find("rsa-2", "RS256", soon()) is not None


@dataclass
class Provider:
    """A provider's address for its keys."""

    url: str = ""
    status: int = 200
    content: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    delay_seconds: float = 0.0
    fetches: int = 0


@contextmanager
def running_provider(*key_ids: str) -> Iterator[Provider]:
    provider = Provider(content=jwks(*map(public_jwk, key_ids)).encode())

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            provider.fetches += 1
            time.sleep(provider.delay_seconds)
            self.send_response(provider.status)
            for name, value in provider.headers.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(ConnectionError):  # who asked has had enough
                self.wfile.write(provider.content)

        def log_message(self, *_arguments: Any) -> None:
            """Keep the tests' output free of access lines."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        provider.url = f"http://127.0.0.1:{server.server_port}/jwks"
        try:
            yield provider
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def provider() -> Iterator[Provider]:
    with running_provider("rsa-1") as provider:
        yield provider


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(provider: Provider, clock: Clock) -> UrlKeys:
    keys = UrlKeys(provider.url, clock)
    keys.start()
    return keys


def has(keys: UrlKeys, key_id: str) -> bool:
    return keys.find(key_id, "RS256", soon()) is not None


def wait_for_fetches(caplog: pytest.LogCaptureFixture, count: int) -> None:
    """Until so many fetches have ended in this test: each is logged when its outcome counts."""
    wait_until(
        lambda: len([record for record in caplog.records if "the identity provider's keys" in record.message]) == count,
        f"fetch {count} in the background has ended",
    )


def test_keys_are_fetched_at_the_start_and_kept(provider: Provider, keys: UrlKeys) -> None:
    for _ in range(10):
        assert has(keys, "rsa-1")
    assert provider.fetches == 1


def test_unknown_keys_cost_a_fetch_now_and_then(provider: Provider, keys: UrlKeys, clock: Clock) -> None:
    provider.content = jwks(public_jwk("rsa-1"), public_jwk("rsa-2")).encode()
    assert not has(keys, "rsa-2")
    assert provider.fetches == 1
    clock.now_seconds += RETRY_SECONDS
    assert has(keys, "rsa-2")
    for number in range(20):
        assert not has(keys, f"made-up-{number}")
    assert provider.fetches == 2


def test_keys_that_were_withdrawn_are_forgotten(
    provider: Provider, keys: UrlKeys, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    provider.content = jwks(public_jwk("rsa-2")).encode()
    clock.now_seconds += REFRESH_SECONDS
    assert has(keys, "rsa-1")  # without waiting for the fetch
    wait_for_fetches(caplog, 1)
    assert has(keys, "rsa-2")
    assert not has(keys, "rsa-1")


def test_an_outage_leaves_what_is_known_for_a_day(
    provider: Provider, keys: UrlKeys, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    provider.status = 500
    clock.now_seconds += REFRESH_SECONDS
    assert has(keys, "rsa-1")
    wait_for_fetches(caplog, 1)
    assert "the answer is 500" in vars(caplog.records[-1])["reason"]
    clock.now_seconds += KEEP_SECONDS - REFRESH_SECONDS - 1
    assert has(keys, "rsa-1")
    wait_for_fetches(caplog, 2)
    clock.now_seconds += 2
    with pytest.raises(IdentityProviderUnreachableError):
        has(keys, "rsa-1")
    provider.status = 200
    clock.now_seconds += RETRY_SECONDS
    assert has(keys, "rsa-1")


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"status": 404}, id="404"),
        pytest.param({"status": 302, "headers": {"Location": "/elsewhere"}}, id="redirect"),
        pytest.param({"content": b"<html>"}, id="no-json"),
        pytest.param({"content": jwks({"kty": "oct", "k": "AA"}).encode()}, id="oct"),
        pytest.param({"content": provider_jwks().encode() + b" " * FETCH_MAX_BYTES}, id="too-large"),
        pytest.param(
            {"content": jwks(public_jwk("rsa-1")).encode()[:-9], "headers": {"Content-Length": "9999"}}, id="cut"
        ),
    ],
)
def test_a_provider_that_is_not_well_at_the_start(
    provider: Provider, clock: Clock, changes: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    healthy = dict(vars(provider))
    vars(provider).update(changes)
    keys = UrlKeys(provider.url, clock)
    keys.start()
    with pytest.raises(IdentityProviderUnreachableError):
        has(keys, "rsa-1")
    assert provider.fetches == 1
    assert [record.message for record in caplog.records] == ["cannot fetch the identity provider's keys"]
    vars(provider).update(healthy)
    clock.now_seconds += RETRY_SECONDS
    assert has(keys, "rsa-1")


def test_a_provider_that_does_not_answer(clock: Clock) -> None:
    with running_provider("rsa-1") as provider:
        url = provider.url
    keys = UrlKeys(url, clock)
    keys.start()
    with pytest.raises(IdentityProviderUnreachableError):
        has(keys, "rsa-1")


def test_a_provider_that_hangs_holds_one_request_up_at_most(provider: Provider, clock: Clock) -> None:
    keys = UrlKeys(provider.url, clock, fetch_timeout_seconds=1.0)
    keys.start()
    provider.delay_seconds = 2.0
    clock.now_seconds += RETRY_SECONDS
    outcomes: list[str] = []

    def call() -> None:
        with pytest.raises(IdentityProviderUnreachableError) as caught:
            has(keys, "made-up")
        outcomes.append(str(caught.value))

    waiting = threading.Thread(target=call)
    waiting.start()
    wait_until(lambda: provider.fetches == 2, "the fetch has begun")
    assert has(keys, "rsa-1")
    clock.now_seconds += RETRY_SECONDS
    with pytest.raises(IdentityProviderUnreachableError):
        has(keys, "also-made-up")
    assert outcomes == []
    waiting.join()
    assert len(outcomes) == 1
    assert provider.fetches == 2
