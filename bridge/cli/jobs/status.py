"""`tsm-bridge status`, `explain` and `watch`: how jobs stand, and why."""

import time
from collections import Counter
from collections.abc import Iterator
from uuid import UUID

import click
from rich.console import Group
from rich.live import Live
from rich.text import Text

from bridge.cli.exit_codes import ExitCode
from bridge.cli.jobs import bridge_command
from bridge.cli.jobs.bridge_command import BridgeCommand
from bridge.cli.jobs.display import console, job_table, print_job_line, print_jobs, print_json
from bridge.client.bridge import Bridge
from bridge.client.errors import RefusedError
from bridge.client.models import Job

TAIL_BYTES = 2000  # of standard error, to explain a job that failed
WATCHED = 100  # jobs; a terminal shows as many as it has lines for

_thing = click.option("--thing", "thing_uuid", metavar="UUID", type=click.UUID, help="Jobs for this thing.")
_kind = click.option("--kind", metavar="KIND", help="Jobs of this kind.")
_states = click.option("--state", "states", metavar="STATE", multiple=True, help="Jobs in this state; may be repeated.")


@click.command(cls=BridgeCommand)
@click.argument("job_ids", metavar="[ID]...", nargs=-1)
@_thing
@_kind
@_states
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many, without IDs.")
@bridge_command.as_json
def status(
    bridge: Bridge,
    job_ids: tuple[str, ...],
    thing_uuid: UUID | None,
    kind: str | None,
    states: tuple[str, ...],
    limit: int,
    as_json: bool,
) -> ExitCode:
    """Show how jobs stand: those of the IDs, or without IDs the newest."""
    if job_ids:
        return _show_ids(bridge, job_ids, as_json=as_json)
    page = bridge.page(thing_uuid=thing_uuid, kind=kind, states=states, limit=limit)
    print_jobs(page.jobs, as_json=as_json)
    if page.missing:
        click.echo(f"tsm-bridge: not shown: {page.missing}", err=True)
    return ExitCode.OK


@click.command(cls=BridgeCommand)
@click.argument("job_id", metavar="ID")
@bridge_command.as_json
def explain(bridge: Bridge, job_id: str, as_json: bool) -> None:
    """Say why a job waits, or why it ended as it did, with the end of what it wrote to standard error."""
    job = bridge.status(job_id)
    stderr = _stderr_tail(bridge, job)
    if as_json:
        print_json({"job": job, "stderr_tail": stderr})
        return
    print_job_line(job, console())
    for line in _facts(job):
        console().print(Text(f"  {line}"), soft_wrap=True)
    if stderr:
        console().print(Text("  the end of its standard error:"), Text(stderr), sep="\n", soft_wrap=True)


@click.command(cls=BridgeCommand)
@_thing
@_kind
@_states
@click.option(
    "--every",
    "pause_seconds",
    metavar="SECONDS",
    type=click.FloatRange(min=0.2),
    default=2.0,
    show_default=True,
    help="How often to look.",
)
def watch(
    bridge: Bridge, thing_uuid: UUID | None, kind: str | None, states: tuple[str, ...], pause_seconds: float
) -> None:
    """Show the newest jobs in a table that keeps up, until Ctrl-C."""
    out = console()
    if not out.is_terminal:
        raise click.UsageError("watch needs a terminal; in a pipe use status")
    with Live(console=out, screen=True, auto_refresh=False) as live:
        while True:
            jobs = bridge.page(thing_uuid=thing_uuid, kind=kind, states=states, limit=WATCHED).jobs
            live.update(Group(_summary(jobs), job_table(jobs)), refresh=True)
            time.sleep(pause_seconds)


def _show_ids(bridge: Bridge, job_ids: tuple[str, ...], *, as_json: bool) -> ExitCode:
    results = bridge.status_of_many(job_ids)
    print_jobs([result.job for result in results if result.job], as_json=as_json)
    problems = [result for result in results if result.problem]
    for result in problems:
        click.echo(f"tsm-bridge: {result.job_id}: {result.problem}", err=True)
    return ExitCode.REFUSED if problems else ExitCode.OK


def _facts(job: Job) -> Iterator[str]:
    yield f"for thing {job.thing_uuid}, request {job.request_id}"
    if job.submit_time:
        yield f"submitted {job.submit_time:%Y-%m-%d %H:%M:%S}Z"
    if job.queue_seconds is not None:
        yield f"waited {job.queue_seconds:g} s"
    if job.run_seconds is not None:
        yield f"ran {job.run_seconds:g} s on {job.nodes}"


def _stderr_tail(bridge: Bridge, job: Job) -> str:
    """The last whole lines that a job which failed wrote to standard error."""
    if not job.is_over or job.succeeded:
        return ""
    try:
        tail = bridge.output(job.job_id, "stderr", tail_bytes=TAIL_BYTES)
    except RefusedError:  # it never ran, or its output was removed
        return ""
    return (tail.partition(b"\n")[2] if len(tail) == TAIL_BYTES else tail).decode(errors="replace")


def _summary(jobs: tuple[Job, ...]) -> Text:
    counts = Counter(job.state for job in jobs)
    return Text("  ".join(f"{count} {state}" for state, count in sorted(counts.items())) or "no jobs", style="bold")
