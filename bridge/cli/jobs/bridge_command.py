"""What the commands that ask a bridge share: options that name it, exit statuses, and how they tell of errors."""

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from bridge.cli.exit_codes import EXIT_STATUSES, ExitCode
from bridge.client.bridge import (
    PATIENCE_SECONDS,
    TOKEN_FILE_VARIABLE,
    TOKEN_VARIABLE,
    URL_VARIABLE,
    USUAL_URL,
    Bridge,
)
from bridge.client.errors import BridgeClientError, BridgeUnreachableError, NotAuthenticatedError, WaitTimedOutError

_EXIT_CODES = {
    NotAuthenticatedError: ExitCode.NOT_AUTHENTICATED,
    BridgeUnreachableError: ExitCode.UNREACHABLE,
    WaitTimedOutError: ExitCode.TIMED_OUT,
}

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, one document a line.")
timeout = click.option(
    "--timeout",
    "timeout_seconds",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    help="How long to wait at most; left out, for as long as it takes.",
)


def read_moment(_context: click.Context, _option: click.Parameter, text: str | None) -> datetime | None:
    """The value of an option that takes a time; one without a zone is in UTC."""
    try:
        moment = None if text is None else datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter("must be a time like 2026-01-31T00:00:00Z") from None
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)


class BridgeCommand(click.Command):
    """Has `--url` and `--token-file` beside its own options; its function gets a `bridge` in place of these."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.params += _bridge_options()

    def invoke(self, ctx: click.Context) -> Any:
        """Run it. What goes wrong with the bridge becomes a line on standard error and an exit status."""
        url, token_file = ctx.params.pop("url"), ctx.params.pop("token_file")
        ctx.params["bridge"] = _bridge(url, token_file, ctx.params.get("timeout_seconds"))
        try:
            return super().invoke(ctx)
        except BridgeClientError as error:
            click.echo(f"tsm-bridge: {error}", err=True)
            return _EXIT_CODES.get(type(error), ExitCode.REFUSED)
        except BrokenPipeError:  # `| head`: what is left to print has no reader
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return ExitCode.OK

    def format_epilog(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Say what each exit status means."""
        with formatter.section("Exit status"):
            formatter.write_dl([(str(int(code)), meaning) for code, meaning in EXIT_STATUSES.items()])


def _bridge_options() -> list[click.Parameter]:
    return [
        click.Option(
            ["--url"],
            metavar="URL",
            envvar=URL_VARIABLE,
            show_envvar=True,
            default=USUAL_URL,
            show_default=True,
            help="Address of the bridge.",
        ),
        click.Option(
            ["--token-file"],
            metavar="FILE",
            envvar=TOKEN_FILE_VARIABLE,
            show_envvar=True,
            type=click.Path(path_type=Path),
            help=f"File with the token, if {TOKEN_VARIABLE} in the environment is not the token itself.",
        ),
    ]


def _bridge(url: str, token_file: Path | None, timeout_seconds: float | None) -> Bridge:
    patience_seconds = PATIENCE_SECONDS if timeout_seconds is None else min(PATIENCE_SECONDS, timeout_seconds)
    try:
        token = os.environ.get(TOKEN_VARIABLE) or (token_file.read_text().strip() if token_file else None)
        return Bridge(url, token=token, patience_seconds=patience_seconds)
    except (OSError, ValueError) as error:
        raise click.UsageError(str(error)) from None
