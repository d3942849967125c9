"""`slurm-bridge token create | list | revoke`: the operator's hand on the token file."""

import argparse
import re
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from bridge.auth.callers import Scope
from bridge.auth.token_file import NAME_PATTERN, TokenEntry, TokenFile, TokenFileError
from bridge.auth.tokens import digest_of, new_token, utc_now, utc_text
from bridge.settings import SettingsError, load_token_file_setting

UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
HEADINGS = ("NAME", "SCOPES", "CREATED", "EXPIRES", "STATE")


def add_token_parser(commands: Any) -> None:
    """Add `token` and its subcommands to the subparsers `commands`; each sets `run`, a function of the options."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", metavar="FILE", help="settings file (TOML)")
    common.add_argument("--token-file", metavar="FILE", type=Path, help="token file; left out, that of the settings")
    token = commands.add_parser("token", help="make, list and revoke the tokens of callers")
    actions = token.add_subparsers(required=True, metavar="ACTION")

    create = actions.add_parser("create", parents=[common], help="make a token and print it")
    create.add_argument("--name", required=True, type=_name, help="who is to have it; in the log and in jobs' comments")
    create.add_argument(
        "--scope",
        required=True,
        action="append",
        dest="scopes",
        choices=[scope.value for scope in Scope],
        help="what it allows; may be repeated",
    )
    create.add_argument("--expires", metavar="DURATION", type=_duration, help="12h, 90d or 8w; left out, never")
    create.set_defaults(run=_create)

    listing = actions.add_parser("list", parents=[common], help="show which tokens there are")
    listing.set_defaults(run=_list)

    revoke = actions.add_parser("revoke", parents=[common], help="end a token, at once")
    revoke.add_argument("name", metavar="NAME")
    revoke.set_defaults(run=_revoke)


def _create(options: dict[str, Any]) -> int:
    token, now, name = new_token(), utc_now().replace(microsecond=0), options["name"]
    expires_after: timedelta | None = options["expires"]
    entry = TokenEntry(
        name=name,
        digest=digest_of(token),
        scopes=tuple(Scope(scope) for scope in dict.fromkeys(options["scopes"])),
        created_at=now,
        expires_at=None if expires_after is None else now + expires_after,
    )
    file = _token_file(options)
    with file.changing() as entries:
        if any(other.name == name for other in entries):
            raise TokenFileError(f"there is a token of the name {name}: revoke it first, or choose another name")
        entries.append(entry)
    print(token)
    print(f"Keep it: {file.path} has only its digest. It is sent as `Authorization: Bearer TOKEN`.", file=sys.stderr)
    return 0


def _list(options: dict[str, Any]) -> int:
    now = utc_now()
    rows = [HEADINGS, *(_row(entry, now) for entry in _token_file(options).read().entries)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0


def _revoke(options: dict[str, Any]) -> int:
    name = options["name"]
    file = _token_file(options)
    file.read()  # a file that is not there is another mistake than a name that is not
    with file.changing() as entries:
        remaining = [entry for entry in entries if entry.name != name]
        if len(remaining) == len(entries):
            raise TokenFileError(f"there is no token of the name {name}: see `slurm-bridge token list`")
        entries[:] = remaining
    return 0


def _token_file(options: dict[str, Any]) -> TokenFile:
    path: Path | None = options["token_file"] or load_token_file_setting()
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


def _name(text: str) -> str:
    if not re.fullmatch(NAME_PATTERN, text):
        raise argparse.ArgumentTypeError("must be 1 to 64 of A-Z a-z 0-9 . _ @ -")
    return text


def _duration(text: str) -> timedelta:
    if not re.fullmatch(r"[1-9][0-9]{0,3}[hdw]", text, re.ASCII):
        raise argparse.ArgumentTypeError("must be a number, of 4 digits at most, and h, d or w: 12h, 90d, 8w")
    return int(text[:-1]) * UNITS[text[-1]]
