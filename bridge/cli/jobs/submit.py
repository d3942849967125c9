"""`tsm-bridge submit parse | qaqc | batch`: submit jobs, and wait for the end of one if that is wanted."""

from collections.abc import Callable
from time import monotonic
from typing import Any

import click

from bridge.cli.exit_codes import ExitCode
from bridge.cli.jobs import bridge_command
from bridge.cli.jobs.bridge_command import BridgeCommand
from bridge.cli.jobs.display import print_json, show_to_the_end
from bridge.cli.jobs.submit_batch import batch
from bridge.client.bridge import Bridge
from bridge.client.models import Submission

Command = Callable[..., Any]

_target = click.option(
    "--target",
    required=True,
    metavar="URI",
    envvar="TSM_BRIDGE_TARGET",
    show_envvar=True,
    help="The datastore. `ps` shows options: give one with a password in the environment.",
)
_source = click.option(
    "--source",
    required=True,
    metavar="URI",
    envvar="TSM_BRIDGE_SOURCE",
    show_envvar=True,
    help="The raw file; for a signed one the same holds as for the target.",
)
_parser = click.option("--parser", required=True, metavar="NAME", help="The parser.")
_thing = click.option("--thing", "thing_uuid", required=True, metavar="UUID", type=click.UUID, help="The thing.")
_key = click.option("--key", metavar="KEY", help="Idempotency key: used again with the same, it gets the same job.")
_wait = click.option("--wait", "is_waiting", is_flag=True, help="Show the job's life, and exit with its result.")


def _date(name: str, meaning: str) -> Command:
    """An option that takes a time; one without a zone is in UTC."""
    return click.option(name, f"{name[2:]}_date", metavar="TIME", callback=bridge_command.read_moment, help=meaning)


@click.group
def submit() -> None:
    """Submit a job."""


@submit.command(cls=BridgeCommand)
@_parser
@_source
@_target
@_thing
@click.option("--qaqc", is_flag=True, help="Then run quality control, in a job of its own, whose id is printed second.")
@_key
@_wait
@bridge_command.timeout
@bridge_command.as_json
def parse(bridge: Bridge, is_waiting: bool, timeout_seconds: float | None, as_json: bool, **fields: Any) -> ExitCode:
    """Parse a raw file into a thing's datastore."""
    return _finish(bridge, bridge.submit_parse(**fields), is_waiting, timeout_seconds, as_json)


@submit.command(cls=BridgeCommand)
@_target
@_thing
@_date("--start", "Check again what was observed then or later (RFC 3339); left out, what has no label yet.")
@_date("--end", "Check again what was observed then or earlier.")
@click.option("--project", "project_uuid", metavar="UUID", type=click.UUID, help="The project whose settings to use.")
@click.option("--settings", "qc_settings_name", metavar="NAME", help="The settings to use; left out, the default ones.")
@_key
@_wait
@bridge_command.timeout
@bridge_command.as_json
def qaqc(bridge: Bridge, is_waiting: bool, timeout_seconds: float | None, as_json: bool, **fields: Any) -> ExitCode:
    """Run quality control on a thing's data."""
    return _finish(bridge, bridge.submit_qaqc(**fields), is_waiting, timeout_seconds, as_json)


submit.add_command(batch)


def _finish(
    bridge: Bridge, submission: Submission, is_waiting: bool, timeout_seconds: float | None, as_json: bool
) -> ExitCode:
    job_ids = [submission.job_id, *([submission.qaqc.job_id] if submission.qaqc else [])]
    if is_waiting:
        until_seconds = None if timeout_seconds is None else monotonic() + timeout_seconds
        return max(_shown_to_the_end(bridge, job_id, until_seconds, as_json) for job_id in job_ids)
    if as_json:
        print_json(submission)
    else:
        click.echo("\n".join(job_ids))
    return ExitCode.OK


def _shown_to_the_end(bridge: Bridge, job_id: str, until_seconds: float | None, as_json: bool) -> ExitCode:
    left_seconds = None if until_seconds is None else max(0.0, until_seconds - monotonic())
    return show_to_the_end(bridge, job_id, left_seconds, as_json=as_json)
