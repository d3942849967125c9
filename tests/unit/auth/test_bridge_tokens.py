"""Whose token it is, until when, and that the service sees changes of the file without a restart."""

import hashlib
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import Mock

import pytest

from bridge.auth.bridge_tokens import BridgeTokenVerifier, digest_of, new_token
from bridge.auth.callers import Caller
from bridge.auth.token_file import TokenEntry, TokenFile, TokenFileError
from bridge.core.deadline import Deadline
from bridge.core.errors import BridgeError, TokensUnreadableError, UnauthenticatedError
from bridge.core.scopes import Scope

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DEADLINE = Deadline.after(60)


@pytest.fixture
def file(tmp_path: Path) -> TokenFile:
    file = TokenFile(tmp_path / "tokens.json")
    add(file, "first")
    return file


@pytest.fixture
def token(file: TokenFile) -> str:
    """One that may submit and read."""
    return add(file, "dispatcher", Scope.SUBMIT, Scope.READ)


def add(file: TokenFile, name: str, *scopes: Scope, expires_at: datetime | None = None) -> str:
    token = new_token()
    with file.changing() as entries:
        entries.append(
            TokenEntry(
                name=name,
                digest=digest_of(token),
                scopes=scopes or (Scope.READ,),
                created_at=NOW,
                expires_at=expires_at,
            )
        )
    return token


def revoke(file: TokenFile, name: str) -> None:
    with file.changing() as entries:
        entries[:] = [entry for entry in entries if entry.name != name]


def refusal(verifier: BridgeTokenVerifier, token: str, error: type[BridgeError] = UnauthenticatedError) -> str:
    with pytest.raises(error) as caught:
        verifier.verify(token, DEADLINE)
    return str(caught.value)


def test_a_token_is_long_and_only_its_sha_256_is_kept(file: TokenFile, token: str) -> None:
    assert token.startswith("tsb_")
    assert len(token) == len("tsb_") + 43  # 32 bytes in base64url
    assert token != new_token()
    assert hashlib.sha256(token.encode()).hexdigest() in file.path.read_text()
    assert token.removeprefix("tsb_") not in file.path.read_text()


def test_whose_token_it_is(file: TokenFile, token: str) -> None:
    expected = Caller("dispatcher", frozenset({Scope.SUBMIT, Scope.READ}))
    assert BridgeTokenVerifier(file).verify(token, DEADLINE) == expected


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda token: token[:-1], id="shorter"),
        pytest.param(lambda token: token + "A", id="longer"),
        pytest.param(lambda token: token[:-1] + ("A" if token[-1] != "A" else "B"), id="last-character"),
        pytest.param(lambda _token: "tsb_", id="prefix-alone"),
        pytest.param(digest_of, id="its-digest-does-not-help"),
    ],
)
def test_nothing_but_the_token_will_do(file: TokenFile, token: str, change: Callable[[str], str]) -> None:
    assert "not known, or has been revoked" in refusal(
        BridgeTokenVerifier(file), "tsb_" + change(token).removeprefix("tsb_")
    )


def test_tokens_of_other_sorts_are_left_to_others(file: TokenFile, token: str) -> None:
    verifier = BridgeTokenVerifier(file)
    assert verifier.verify(token.removeprefix("tsb_"), DEADLINE) is None
    assert verifier.verify("eyJhbGciOiJub25lIn0.e30.", DEADLINE) is None
    file.path.unlink()
    assert verifier.verify("eyJhbGciOiJub25lIn0.e30.", DEADLINE) is None


@pytest.mark.parametrize(
    ("seconds_left", "holds"),
    [pytest.param(1, True, id="before"), pytest.param(0, False, id="then"), pytest.param(-1, False, id="after")],
)
def test_until_when_it_holds(file: TokenFile, seconds_left: int, holds: bool) -> None:
    token = add(file, "short", expires_at=NOW + timedelta(hours=12))
    verifier = BridgeTokenVerifier(file, now=lambda: NOW + timedelta(hours=12, seconds=-seconds_left))
    if holds:
        assert verifier.verify(token, DEADLINE) == Caller("short", frozenset({Scope.READ}))
    else:
        assert "expired at 2026-01-01T12:00:00Z" in refusal(verifier, token)


def test_changes_are_seen_at_the_next_request(file: TokenFile, token: str) -> None:
    verifier = BridgeTokenVerifier(file)
    another = add(file, "another")
    assert verifier.verify(another, DEADLINE) == Caller("another", frozenset({Scope.READ}))
    revoke(file, "dispatcher")
    assert "has been revoked" in refusal(verifier, token)
    assert verifier.verify(another, DEADLINE) is not None


def test_an_unchanged_file_is_not_read_again(file: TokenFile, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    verifier = BridgeTokenVerifier(file)
    add(file, "another")
    reads = Mock(wraps=file.read)
    monkeypatch.setattr(file, "read", reads)
    for _ in range(3):
        verifier.verify(token, DEADLINE)
    assert reads.call_count == 1


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda path: path.chmod(0o644), id="readable-by-all"),
        pytest.param(lambda path: path.write_text("[{"), id="not-json"),
        pytest.param(lambda path: path.unlink(), id="gone"),
        pytest.param(lambda path: path.rename(path.with_name("old")) and path.mkdir(), id="a-folder"),
    ],
)
def test_while_the_file_is_bad_no_token_holds(
    file: TokenFile, token: str, spoil: Callable[[Path], object], caplog: pytest.LogCaptureFixture
) -> None:
    verifier = BridgeTokenVerifier(file)
    content = file.path.read_bytes()
    spoil(file.path)
    with caplog.at_level(logging.ERROR):
        refusals = [refusal(verifier, token, TokensUnreadableError) for _ in range(3)]
    assert all("the operator has to correct the token file" in refusal for refusal in refusals)
    assert str(file.path) not in refusals[0]
    (record,) = caplog.records  # one, however many requests there are
    assert str(file.path) in record.__dict__["detail"]

    if file.path.is_dir():
        file.path.rmdir()
    file.path.write_bytes(content)
    file.path.chmod(0o600)
    assert verifier.verify(token, DEADLINE) is not None


def test_a_bad_file_is_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(TokenFileError, match="is not there"):
        BridgeTokenVerifier(TokenFile(tmp_path / "none"))
