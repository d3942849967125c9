"""The command line: `tsm-bridge COMMAND`."""

import sys
from collections.abc import Sequence
from importlib import import_module

import click

from bridge.auth.token_file import TokenFileError
from bridge.cli.exit_codes import ExitCode
from bridge.config.settings import SettingsError, StartError

# Where each command is defined. A module is loaded when its command is asked for: the service needs not load what only
# people need, and works where that is not installed.
COMMANDS = {
    "serve": "bridge.cli.serve",
    "token": "bridge.cli.tokens",
    "doctor": "bridge.cli.doctor",
    "submit": "bridge.cli.jobs.submit",
    "status": "bridge.cli.jobs.status",
    "explain": "bridge.cli.jobs.status",
    "watch": "bridge.cli.jobs.status",
    "wait": "bridge.cli.jobs.wait",
    "logs": "bridge.cli.jobs.wait",
    "cancel": "bridge.cli.jobs.wait",
    "retry": "bridge.cli.jobs.wait",
    "failures": "bridge.cli.jobs.failures",
}
EXTRA_MODULES = ("rich", "urllib3")  # of the extra `client`


class _Commands(click.Group):
    def list_commands(self, _context: click.Context) -> list[str]:
        """See click."""
        return list(COMMANDS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        """See click."""
        if name not in COMMANDS:
            return None
        try:
            command: click.Command = getattr(import_module(COMMANDS[name]), name)
        except ModuleNotFoundError as error:
            module = str(error.name).partition(".")[0]
            if module not in EXTRA_MODULES:
                raise
            return _not_installed(name, module)
        return command


def _not_installed(name: str, module: str) -> click.Command:
    text = f"needs {module}: pip install 'tsm-slurm-bridge[client]'"

    def refuse(**_arguments: object) -> ExitCode:
        click.echo(f"tsm-bridge: {name} {text}", err=True)
        return ExitCode.USAGE

    anything = click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED)
    return click.Command(
        name, callback=refuse, params=[anything], help=f"({text})", context_settings={"ignore_unknown_options": True}
    )


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tsm-slurm-bridge", message="%(prog)s %(version)s")
def tsm_bridge() -> None:
    """HTTP bridge from time series management (TSM) to a Slurm cluster.

    `serve`, `token` and `doctor` are for the operator of a bridge. The others ask a bridge: its address comes from
    TSM_BRIDGE_URL, a token from TSM_BRIDGE_TOKEN or the file TSM_BRIDGE_TOKEN_FILE; their exit statuses are in their
    `--help`.
    """


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns one of `ExitCode`."""
    try:
        code: int | None = tsm_bridge.main(argv, prog_name="tsm-bridge", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:  # Ctrl-C
        return ExitCode.INTERRUPTED
    except (SettingsError, TokenFileError) as error:
        for line in str(error).splitlines():
            print(f"tsm-bridge: {line}", file=sys.stderr)
        return ExitCode.NOT_NOW if isinstance(error, StartError) else ExitCode.USAGE
    return code or ExitCode.OK


def main_by_old_name() -> int:
    """The same for `slurm-bridge`, as the command was called before."""
    print("slurm-bridge is now called tsm-bridge", file=sys.stderr)
    return main()
