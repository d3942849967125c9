"""The command line: `slurm-bridge serve | token`."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from bridge.auth.token_file import TokenFileError
from bridge.settings import CONFIG_FILE_VARIABLE, SettingsError, load_settings
from bridge.token_commands import add_token_parser

EXIT_REFUSED = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status: 0 done, 2 bad settings or arguments."""
    options = vars(_parser().parse_args(argv))
    run: Callable[[dict[str, Any]], int] = options.pop("run")
    if config := options.pop("config", None):
        os.environ[CONFIG_FILE_VARIABLE] = config
    try:
        return run(options)
    except (SettingsError, TokenFileError) as error:
        for line in str(error).splitlines():
            print(f"slurm-bridge: {line}", file=sys.stderr)
        return EXIT_REFUSED


def _serve(overrides: dict[str, Any]) -> int:
    from bridge.hardening import forbid_core_dumps
    from bridge.logs import configure_logging
    from bridge.server import serve  # not needed to print a usage, and slow to import

    forbid_core_dumps()  # before anything secret is read
    settings = load_settings(overrides)
    configure_logging(verbose=settings.verbose)
    serve(settings)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="slurm-bridge", description="HTTP bridge from TSM to a Slurm cluster.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    serve = commands.add_parser(
        "serve",
        help="run the HTTP service",
        argument_default=argparse.SUPPRESS,
        description="Run the HTTP service. The README has a table of all settings.",
    )
    serve.set_defaults(run=_serve)
    serve.add_argument("--config", metavar="FILE", help="settings file (TOML)")
    serve.add_argument("--host", help="address to listen on")
    serve.add_argument("--port", type=int, help="port to listen on")
    serve.add_argument("--mqtt-broker", metavar="HOST:PORT|None", help="MQTT broker that the jobs report to")
    serve.add_argument("--mqtt-user", metavar="USER", help="user at the MQTT broker")
    serve.add_argument(
        "--mqtt-password", metavar="PASSWORD", help="its password; `ps` shows it: better set MQTT_PASSWORD"
    )
    serve.add_argument("--verbose", action="store_true", help="log at debug level, here and in the jobs")
    add_token_parser(commands)
    return parser
