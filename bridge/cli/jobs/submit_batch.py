"""`tsm-bridge submit batch`: submit a job for each line of a file."""

import json
from collections.abc import Iterator
from typing import Any, TextIO

import click

from bridge.cli.jobs import bridge_command
from bridge.cli.jobs.bridge_command import BridgeCommand
from bridge.cli.jobs.display import print_json
from bridge.client.bridge import Bridge
from bridge.client.models import Kind, Lane

ITEMS = 1000  # in one request, as many as a bridge takes by default


@click.command(cls=BridgeCommand)
@click.argument("file", metavar="FILE", type=click.File())
@click.option("--kind", type=click.Choice(["parse", "qaqc"]), default="parse", show_default=True, help="What to do.")
@click.option(
    "--lane",
    type=click.Choice(["live", "bulk"]),
    default="bulk",
    show_default=True,
    help="`bulk` leaves room for live jobs, as the operator has set it up.",
)
@click.option("--key", metavar="KEY", help="Idempotency key: used again with the same lines, it gets the same jobs.")
@click.option("--size", type=click.IntRange(min=1), default=ITEMS, show_default=True, help="Lines in one request.")
@bridge_command.as_json
def batch(bridge: Bridge, file: TextIO, kind: Kind, lane: Lane, key: str | None, size: int, as_json: bool) -> None:
    """Submit a job for each line of FILE, and print their ids, in the order of the lines.

    A line is a JSON object with the fields of a request, for `parse` parser, source, target and thing_uuid. `-` is
    standard input.
    """
    items = list(_items(file))
    for number, start in enumerate(range(0, len(items), size)):
        own_key = None if key is None else f"{key}.{number}"
        done = bridge.submit_batch(kind, items[start : start + size], lane=lane, key=own_key)
        if as_json:
            print_json(done)
        else:
            click.echo("\n".join(job.job_id for job in done.jobs))


def _items(file: TextIO) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(file, 1):
        if line.strip():
            try:
                item = json.loads(line)
            except ValueError:
                item = None
            if not isinstance(item, dict):
                raise click.UsageError(f"line {number} of {file.name} is no JSON object")
            yield item
