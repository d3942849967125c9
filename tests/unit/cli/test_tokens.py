"""`tsm-bridge token`, as operators use it."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bridge.auth.bridge_tokens import BridgeTokenVerifier
from bridge.auth.callers import Caller
from bridge.auth.token_file import TokenFile
from bridge.cli import main as cli
from bridge.core.deadline import Deadline
from bridge.core.scopes import Scope

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("BRIDGE_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def token_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TokenFile:
    """The one of the settings."""
    monkeypatch.setenv("BRIDGE_TOKEN_FILE", str(tmp_path / "tokens.json"))
    return TokenFile(tmp_path / "tokens.json")


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs `tsm-bridge token`: exit status, standard output, standard error."""

    def run(*arguments: str) -> tuple[int, str, str]:
        status = cli.main(["token", *arguments])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


def test_a_token_that_is_created_can_be_used(command: Command, token_file: TokenFile) -> None:
    status, out, err = command("create", "--name", "dispatcher", "--scope", "submit", "--scope", "read")
    token = out.removesuffix("\n")
    assert (status, out) == (0, f"{token}\n")  # nothing but the token, for a pipe
    assert token not in err
    assert str(token_file.path) in err
    caller = BridgeTokenVerifier(token_file).verify(token, Deadline.after(1))
    assert caller == Caller("dispatcher", frozenset({Scope.SUBMIT, Scope.READ}))


@pytest.mark.parametrize(
    ("text", "lifetime"),
    [
        pytest.param("12h", timedelta(hours=12), id="hours"),
        pytest.param("90d", timedelta(days=90), id="days"),
        pytest.param("8w", timedelta(weeks=8), id="weeks"),
    ],
)
def test_a_token_expires(command: Command, token_file: TokenFile, text: str, lifetime: timedelta) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    assert command("create", "--name", "n", "--scope", "read", "--expires", text)[0] == 0
    (entry,) = token_file.read()
    assert before <= entry.created_at <= datetime.now(UTC)
    assert entry.expires_at == entry.created_at + lifetime


def test_the_list(command: Command, token_file: TokenFile) -> None:
    token = command("create", "--name", "dispatcher", "--scope", "submit", "--scope", "read")[1].strip()
    command("create", "--name", "old", "--scope", "read", "--expires", "1h")
    hour_ago = datetime(2026, 1, 1, tzinfo=UTC)
    with token_file.changing() as entries:
        entries[:] = [
            entry.model_copy(update={"created_at": hour_ago, "expires_at": entry.expires_at and hour_ago})
            for entry in entries
        ]
    digest = token_file.read()[0].digest
    status, out, _ = command("list")
    assert status == 0
    assert out.splitlines() == [
        "NAME        SCOPES       CREATED               EXPIRES               STATE",
        "dispatcher  submit,read  2026-01-01T00:00:00Z  never                 valid",
        "old         read         2026-01-01T00:00:00Z  2026-01-01T00:00:00Z  expired",
    ]
    assert token not in out
    assert digest not in out


def test_a_revoked_token_is_gone(command: Command, token_file: TokenFile) -> None:
    for name in ("a", "b"):
        command("create", "--name", name, "--scope", "read")
    assert command("revoke", "a") == (0, "", "")
    assert [entry.name for entry in token_file.read()] == ["b"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        pytest.param(("create", "--name", "taken", "--scope", "read"), "token of the name taken", id="name-exists"),
        pytest.param(("create", "--name", "a b", "--scope", "read"), "'--name': must be 1 to 64 of", id="blank"),
        pytest.param(("create", "--name", "a" * 65, "--scope", "read"), "'--name': must be 1 to 64 of", id="long"),
        pytest.param(("create", "--name", "a\n", "--scope", "read"), "'--name': must be 1 to 64 of", id="newline"),
        pytest.param(("create", "--name", "", "--scope", "read"), "'--name': must be 1 to 64 of", id="empty"),
        pytest.param(("create", "--name", "n"), "Missing option '--scope'", id="no-scope"),
        pytest.param(("create", "--name", "n", "--scope", "all"), "'--scope': 'all' is not one of", id="scope"),
        *(
            pytest.param(("create", "--name", "n", "--scope", "read", "--expires", text), "12h, 90d, 8w", id=text)
            for text in ("90", "0d", "1m", "d", "1.5d", "+1d", "10000d", "1d ", "٣d")
        ),
        pytest.param(("revoke", "nobody"), "no token of the name nobody", id="revoke-unknown"),
        pytest.param(("revoke", "n", "--token-file", "/nowhere/t"), "/nowhere/t is not there", id="revoke-no-file"),
        pytest.param(("list", "--token-file", "/nowhere/t"), "/nowhere/t is not there", id="list-no-file"),
    ],
)
def test_what_is_refused(command: Command, token_file: TokenFile, arguments: tuple[str, ...], line: str) -> None:
    command("create", "--name", "taken", "--scope", "read")
    before = token_file.path.read_bytes()
    status, out, err = command(*arguments)
    assert (status, out) == (2, "")
    assert line in err
    assert token_file.path.read_bytes() == before


def test_a_settings_file_that_is_not_there_may_come(command: Command) -> None:
    status, _, err = command("list", "--config", "/nowhere")
    assert (status, "cannot read /nowhere" in err) == (75, True)


def test_tokens_made_at_the_same_time_are_all_there(token_file: TokenFile) -> None:
    with ThreadPoolExecutor(8) as threads:
        arguments = [["token", "create", "--name", f"n{number}", "--scope", "read"] for number in range(16)]
        assert set(threads.map(cli.main, arguments)) == {0}
    assert {entry.name for entry in token_file.read()} == {f"n{number}" for number in range(16)}


def test_where_the_file_is(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the command line, or the environment, or the settings file, whose other settings may be wrong."""
    config = tmp_path / "config.toml"
    config.write_text(f'token_file = "{tmp_path}/of-file"\nport = "nonsense"\nunknown = 1\n')
    monkeypatch.setenv("BRIDGE_PRT", "1")
    create = ("create", "--name", "n", "--scope", "read", "--config", str(config))
    assert command(*create)[0] == 0
    monkeypatch.setenv("BRIDGE_TOKEN_FILE", str(tmp_path / "of-environment"))
    assert command(*create)[0] == 0
    assert command(*create, "--token-file", str(tmp_path / "of-command-line"))[0] == 0
    made = {path.name for path in tmp_path.iterdir()} - {"config.toml"}
    assert made == {"of-file", "of-environment", "of-command-line"}


def test_without_any_file_it_says_how_to_name_one(command: Command) -> None:
    status, _, err = command("list")
    assert status == 2
    assert err == "tsm-bridge: token_file: set it (BRIDGE_TOKEN_FILE in the environment), or say --token-file FILE\n"
