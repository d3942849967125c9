"""`tsm-bridge wait`, `logs`, `cancel` and `retry`: for jobs that have been submitted."""

import time
from collections.abc import Callable

import click

from bridge.cli.exit_codes import ExitCode
from bridge.cli.jobs import bridge_command
from bridge.cli.jobs.bridge_command import BridgeCommand
from bridge.cli.jobs.display import console, print_job_line, print_json, show_to_the_end
from bridge.client.bridge import Bridge
from bridge.client.models import Job, Stream

_job_ids = click.argument("job_ids", metavar="ID...", nargs=-1, required=True)


@click.command(cls=BridgeCommand)
@_job_ids
@bridge_command.timeout
@bridge_command.as_json
def wait(bridge: Bridge, job_ids: tuple[str, ...], timeout_seconds: float | None, as_json: bool) -> ExitCode:
    """Wait until jobs are over, and exit with their result: 1 where one of them failed."""
    until_seconds = None if timeout_seconds is None else time.monotonic() + timeout_seconds
    codes = []
    for job_id in job_ids:
        remaining_seconds = None if until_seconds is None else max(0.0, until_seconds - time.monotonic())
        codes.append(show_to_the_end(bridge, job_id, remaining_seconds, as_json=as_json))
    return max(codes)


@click.command(cls=BridgeCommand)
@click.argument("job_id", metavar="ID")
@click.option("--follow", is_flag=True, help="Go on until the job is over.")
@click.option("--tail", "tail_bytes", metavar="BYTES", type=click.IntRange(min=1), help="Only the last bytes.")
@click.option(
    "--stream", type=click.Choice(["stderr", "stdout"]), default="stderr", show_default=True, help="Which output."
)
def logs(bridge: Bridge, job_id: str, follow: bool, tail_bytes: int | None, stream: Stream) -> None:
    """Print what a job has printed; extractors write their log to standard error."""
    if follow and tail_bytes:
        raise click.UsageError("--follow and --tail exclude each other")
    parts = bridge.follow_output(job_id, stream) if follow else [bridge.output(job_id, stream, tail_bytes=tail_bytes)]
    for part in parts:
        click.echo(part, nl=False)


@click.command(cls=BridgeCommand)
@_job_ids
@bridge_command.as_json
def cancel(bridge: Bridge, job_ids: tuple[str, ...], as_json: bool) -> None:
    """End jobs. They end soon after; to cancel one again is no error."""
    _do_to_each(bridge.cancel, job_ids, as_json=as_json)


@click.command(cls=BridgeCommand)
@_job_ids
@bridge_command.as_json
def retry(bridge: Bridge, job_ids: tuple[str, ...], as_json: bool) -> None:
    """Run jobs again that have ended, with all that they had, as long as Slurm remembers them."""
    _do_to_each(bridge.retry, job_ids, as_json=as_json)


def _do_to_each(do: Callable[[str], Job], job_ids: tuple[str, ...], *, as_json: bool) -> None:
    for job_id in job_ids:
        job = do(job_id)
        if as_json:
            print_json(job)
        else:
            print_job_line(job, console())
