"""How jobs look in a terminal, in a pipe, and as JSON."""

from collections.abc import Iterable
from datetime import datetime

import click
import msgspec
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from bridge.cli.exit_codes import ExitCode
from bridge.client.bridge import Bridge
from bridge.client.models import Job

PIPE_WIDTH = 240  # columns; a terminal says how many it has
COLUMNS = ("ID", "KIND", "STATE", "SUBMITTED", "WAITED", "RAN", "THING", "EXPLANATION")


def console() -> Console:
    """Standard output. What it prints is text, whatever stands in it."""
    plain = Console(highlight=False, markup=False, emoji=False)
    return plain if plain.is_terminal else Console(highlight=False, markup=False, emoji=False, width=PIPE_WIDTH)


def print_json(document: object) -> None:
    """A document on a line."""
    click.echo(msgspec.json.encode(document).decode())


def print_jobs(jobs: Iterable[Job], *, as_json: bool) -> None:
    """A table, or a document for each job."""
    if as_json:
        for job in jobs:
            print_json(job)
    else:
        console().print(job_table(jobs))


def job_table(jobs: Iterable[Job]) -> Table:
    """A line for each job."""
    table = Table(*COLUMNS, box=None, pad_edge=False)
    for job in jobs:
        waited, ran = _duration(job.queue_seconds), _duration(job.run_seconds)
        cells = (job.job_id, job.kind, job.state, _time(job.submit_time), waited, ran, str(job.thing_uuid))
        table.add_row(*map(Text, cells), Text(job.explanation), style=_style(job))
    return table


def print_job_line(job: Job, out: Console) -> None:
    """How a job stands, and since when, in one line."""
    text = f"{job.as_of:%H:%M:%S}Z  job {job.job_id} ({job.kind})  {job.state}: {job.explanation}"
    out.print(Text(text, style=_style(job)), soft_wrap=True)


def show_to_the_end(bridge: Bridge, job_id: str, timeout_seconds: float | None, *, as_json: bool) -> ExitCode:
    """Show each change of a job until it is over; as JSON, only how it ended.

    Raises what `Bridge.follow` does.
    """
    if as_json:
        job = bridge.wait(job_id, timeout_seconds=timeout_seconds)
        print_json(job)
    else:
        job = _show_life(bridge, job_id, timeout_seconds)
    return ExitCode.OK if job.succeeded else ExitCode.FAILED


def _show_life(bridge: Bridge, job_id: str, timeout_seconds: float | None) -> Job:
    out = console()
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=out, transient=True, disable=not out.is_terminal) as progress:
        task = progress.add_task(f"job {job_id}")
        for job in bridge.follow(job_id, timeout_seconds=timeout_seconds):
            print_job_line(job, progress.console)
            progress.update(task, description=f"job {job_id} {job.state}")
    return job


def _style(job: Job) -> str:
    if job.is_over:
        return "green" if job.succeeded else "red"
    return "dim" if job.state == "PENDING" else "default"


def _time(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}Z"


def _duration(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:g} s"
