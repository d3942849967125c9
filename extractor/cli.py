"""The command line: reads it, checks it, turns every failure into one line and an exit code (2 usage, 1 all else)."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import click
from sqlalchemy.exc import SQLAlchemyError

from extractor import __version__, commands, logs, mqtt, parsers, store
from extractor.errors import ExtractorError, exit_code_of
from extractor.logs import logger
from extractor.quality import command
from extractor.quality.settings import Period
from extractor.reading import sources
from extractor.redaction import Redactor, secrets_of, spellings

NO_BROKER = "None"


def _checked(check: Callable[[str], object]) -> Callable[[click.Context, click.Parameter, str], str]:
    def callback(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
        try:
            check(value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error
        return value

    return callback


def _check_broker(value: str) -> None:
    if value != NO_BROKER:
        mqtt.parse_broker(value)


class _Moment(click.ParamType[datetime]):
    """A time with its offset from UTC."""

    name = "time"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> datetime:
        """See `click.ParamType`."""
        with suppress(ValueError, OverflowError):
            moment = datetime.fromisoformat(value)
            if moment.tzinfo is not None:
                return moment.astimezone(UTC)
        return self.fail("not a time with an offset from UTC (RFC 3339): 2026-01-02T03:04:05Z", parameter, context)


_MOMENT = _Moment()


def _options(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def decorate(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


_common_options = _options(
    click.option("-t", "--target-uri", required=True, callback=_checked(store.check), help="URI of the datastore."),
    click.option("-d", "--device-id", "thing_uuid", required=True, type=click.UUID, help="UUID of the thing."),
    click.option(
        "-m",
        "--mqtt-broker",
        required=True,
        envvar="MQTT_BROKER",
        callback=_checked(_check_broker),
        help=f"MQTT broker, HOST:PORT; {NO_BROKER} switches MQTT off.",
    ),
    click.option("-u", "--mqtt-user", envvar="MQTT_USER", help="Required with a broker."),
    click.option("-pw", "--mqtt-password", envvar="MQTT_PASSWORD", help="Required with a broker."),
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-v", "--verbose", is_flag=True, envvar="VERBOSE", help="Log details, and tracebacks of failures.")
@click.pass_context
def cli(context: click.Context, verbose: bool) -> None:
    """Put raw files into a thing's datastore, and control the quality of what lies there."""
    context.obj = verbose


@cli.command()
@click.option("-p", "--parser", required=True, type=click.Choice(parsers.names()), help="How to read the file.")
@click.option("-s", "--source", "source_uri", required=True, callback=_checked(sources.check), help="URI of the file.")
@_common_options
@click.pass_obj
def parse(
    verbose: bool,
    /,
    parser: str,
    source_uri: str,
    target_uri: str,
    thing_uuid: UUID,
    mqtt_broker: str,
    mqtt_user: str | None,
    mqtt_password: str | None,
) -> None:
    """Parse a raw file into a thing's datastore."""
    redactor = Redactor(secrets_of(target_uri) | secrets_of(source_uri) | spellings(mqtt_password or ""))
    address = _broker_address(mqtt_broker, mqtt_user, mqtt_password)
    with _session(verbose, thing_uuid, redactor, address) as broker:
        commands.parse(parser, target_uri, source_uri, thing_uuid)
        if broker is not None:
            commands.announce(broker, target_uri, thing_uuid)


@cli.command("run-qaqc")
@click.option("--start", type=_MOMENT, help="Check again what was observed then or later (RFC 3339).")
@click.option("--end", type=_MOMENT, help="Check again what was observed then or earlier (RFC 3339).")
@click.option("--project-uuid", type=click.UUID, help="Use this project's settings, for all things that they name.")
@click.option("--qc-settings-name", help="Use the settings of this name, not the default ones.")
@_common_options
@click.pass_obj
def run_qaqc(
    verbose: bool,
    /,
    start: datetime | None,
    end: datetime | None,
    project_uuid: UUID | None,
    qc_settings_name: str | None,
    target_uri: str,
    thing_uuid: UUID,
    mqtt_broker: str,
    mqtt_user: str | None,
    mqtt_password: str | None,
) -> None:
    """Run quality control on a thing's observations: on new ones, or on those of a period."""
    if start is not None and end is not None and end < start:
        raise click.BadParameter("lies before --start", param_hint="--end")
    redactor = Redactor(secrets_of(target_uri) | spellings(mqtt_password or ""))
    address = _broker_address(mqtt_broker, mqtt_user, mqtt_password)
    with _session(verbose, thing_uuid, redactor, address):
        command.run_qaqc(target_uri, thing_uuid, Period(start, end), qc_settings_name, project_uuid)


@cli.command("list")
def list_() -> None:
    """List the available datastores, parsers and sources."""
    for title, names in (
        ("Datastore types", store.DRIVERS),
        ("Parser types", parsers.names()),
        ("Raw data source types", sources.SCHEMES),
    ):
        click.echo(title)
        for name in names:
            click.echo(f"\t{name}")


@cli.command()
def version() -> None:
    """Print the version."""
    click.echo(__version__)


def _broker_address(broker: str, user: str | None, password: str | None) -> mqtt.Address | None:
    if broker == NO_BROKER:
        return None
    if not user or not password:
        raise click.UsageError("with an MQTT broker, -u/--mqtt-user and -pw/--mqtt-password are required")
    return mqtt.Address(*mqtt.parse_broker(broker), user, password)


@contextmanager
def _session(
    verbose: bool, thing_uuid: UUID, redactor: Redactor, address: mqtt.Address | None
) -> Iterator[mqtt.Broker | None]:
    """Logging and the broker for the length of one command; a failure is logged before the broker is left."""
    logs.configure(redactor, verbose=verbose)
    broker = mqtt.Broker(address) if address is not None else None
    formatter = logs.JsonFormatter(redactor)
    with mqtt.logging_to(broker, str(thing_uuid), formatter) if broker is not None else nullcontext():
        try:
            yield broker
        except Exception as error:  # whatever it was: it is reported over MQTT too
            logger.error("%s", _reason(error), exc_info=error)
            raise click.exceptions.Exit(exit_code_of(error)) from error


def _reason(error: Exception) -> str:
    if isinstance(error, ExtractorError):
        return str(error)
    if isinstance(error, SQLAlchemyError):
        # Its own text goes on with the statement and a link.
        return f"database: {' '.join(str(getattr(error, 'orig', None) or error).split())}"
    return f"{type(error).__name__}: {' '.join(str(error).split())} (-v shows where)"


def main(arguments: Sequence[str]) -> int:
    """Run the command line `arguments` (without the program's name); returns the exit code."""
    try:
        result = cli.main(list(arguments), prog_name="main.py", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return 1
    return result if isinstance(result, int) else 0
