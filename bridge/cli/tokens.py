"""`tsm-bridge token create | list | revoke`: how the operator changes the token file."""

import re
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import click

from bridge.auth.bridge_tokens import digest_of, new_token
from bridge.auth.token_file import TokenEntry, TokenFile, TokenFileError
from bridge.config.load import load_token_file_setting
from bridge.config.settings import SettingsError
from bridge.core.scopes import Scope
from bridge.core.text import CALLER_NAME, CALLER_NAME_RULE, utc_now, utc_text

UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
HEADINGS = ("NAME", "SCOPES", "CREATED", "EXPIRES", "STATE")


def _name(_context: click.Context, _option: click.Parameter, text: str) -> str:
    if not CALLER_NAME.fullmatch(text):
        raise click.BadParameter(CALLER_NAME_RULE)
    return text


def _duration(_context: click.Context, _option: click.Parameter, text: str | None) -> timedelta | None:
    if text is None:
        return None
    if not re.fullmatch(r"[1-9][0-9]{0,3}[hdw]", text, re.ASCII):
        raise click.BadParameter("must be a number, of 4 digits at most, and h, d or w: 12h, 90d, 8w")
    return int(text[:-1]) * UNITS[text[-1]]


def _places(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say where the token file is."""
    for name, text in (
        ("--token-file", "Token file; left out, that of the settings."),
        ("--config", "Settings file (TOML)."),
    ):
        command = click.option(name, metavar="FILE", type=click.Path(path_type=Path), help=text)(command)
    return command


@click.group
def token() -> None:
    """Make, list and revoke the tokens of callers."""


@token.command
@click.option("--name", required=True, callback=_name, help="Who is to have it; in the log and in jobs' comments.")
@click.option(
    "--scope",
    "scopes",
    required=True,
    multiple=True,
    type=click.Choice([scope.value for scope in Scope]),
    help="What it allows; may be repeated.",
)
@click.option("--expires", metavar="DURATION", callback=_duration, help="12h, 90d or 8w; left out, never.")
@_places
def create(
    name: str, scopes: tuple[str, ...], expires: timedelta | None, config: Path | None, token_file: Path | None
) -> None:
    """Make a token and print it."""
    token, now = new_token(), utc_now().replace(microsecond=0)
    entry = TokenEntry(
        name=name,
        digest=digest_of(token),
        scopes=tuple(map(Scope, dict.fromkeys(scopes))),
        created_at=now,
        expires_at=None if expires is None else now + expires,
    )
    file = _token_file(config, token_file)
    with file.changing() as entries:
        if any(other.name == name for other in entries):
            raise TokenFileError(f"there is a token of the name {name}: revoke it first, or choose another name")
        entries.append(entry)
    print(token)
    print(f"Keep it: {file.path} has only its digest. It is sent as `Authorization: Bearer TOKEN`.", file=sys.stderr)


@token.command("list")
@_places
def list_(config: Path | None, token_file: Path | None) -> None:
    """Show which tokens there are."""
    now = utc_now()
    rows = [HEADINGS, *(_row(entry, now) for entry in _token_file(config, token_file).read())]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@token.command
@click.argument("name")
@_places
def revoke(name: str, config: Path | None, token_file: Path | None) -> None:
    """End a token, at once."""
    file = _token_file(config, token_file)
    file.read()  # where there is no file, say so rather than that there is no such name
    with file.changing() as entries:
        remaining = [entry for entry in entries if entry.name != name]
        if len(remaining) == len(entries):
            raise TokenFileError(f"there is no token of the name {name}: see `tsm-bridge token list`")
        entries[:] = remaining


def _token_file(config: Path | None, token_file: Path | None) -> TokenFile:
    path = token_file or load_token_file_setting(config)
    if path is None:
        raise SettingsError("token_file: set it (BRIDGE_TOKEN_FILE in the environment), or say --token-file FILE")
    return TokenFile.as_operator(path.absolute())


def _row(entry: TokenEntry, now: datetime) -> tuple[str, ...]:
    is_expired = entry.expires_at is not None and entry.expires_at <= now
    return (
        entry.name,
        ",".join(entry.scopes),
        utc_text(entry.created_at),
        "never" if entry.expires_at is None else utc_text(entry.expires_at),
        "expired" if is_expired else "valid",
    )
