"""`tsm-bridge failures`: jobs that ended badly, and running them again."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import click
from msgspec.structs import replace
from rich.table import Table
from rich.text import Text

from bridge.cli.exit_codes import ExitCode
from bridge.cli.jobs import bridge_command
from bridge.cli.jobs.bridge_command import BridgeCommand, read_moment
from bridge.cli.jobs.display import console, print_json
from bridge.client.bridge import Bridge
from bridge.client.models import FailureGroup

COLUMNS = ("JOBS", "KIND", "CAUSE", "RUNNABLE", "NODES", "THINGS", "LAST", "EXAMPLE", "EXPLANATION")
NODES = 3  # are named


@click.command(cls=BridgeCommand)
@click.option("--kind", metavar="KIND", help="Jobs of this kind.")
@click.option("--thing", "thing_uuid", metavar="UUID", type=click.UUID, help="Jobs for this thing.")
@click.option("--since", metavar="TIME", callback=read_moment, help="Jobs that ended then or later (RFC 3339).")
@click.option("--cause", metavar="CAUSE", help="Jobs that ended for this cause, as `exit_code_75`.")
@click.option("--retry", "is_retry", is_flag=True, help="Run those of --cause again, each once.")
@click.option("--node", metavar="NODE", help="With --retry: only those that ran there.")
@click.option(
    "--per-minute", metavar="N", type=click.IntRange(min=1), help="With --retry: how many may begin in a minute."
)
@click.option("--dry-run", is_flag=True, help="With --retry: only show which jobs would run again.")
@bridge_command.as_json
def failures(
    bridge: Bridge,
    kind: str | None,
    thing_uuid: UUID | None,
    since: datetime | None,
    cause: str | None,
    is_retry: bool,
    node: str | None,
    per_minute: int | None,
    dry_run: bool,
    as_json: bool,
) -> ExitCode:
    """Show which jobs ended badly, and why, in groups; or run a group again."""
    if is_retry and cause is None:
        raise click.UsageError("--retry needs --cause: which failures to run again")
    if not is_retry and (node or per_minute or dry_run):
        raise click.UsageError("--node, --per-minute and --dry-run go with --retry")
    found = bridge.failures(kind=kind, thing_uuid=thing_uuid, since=since)
    groups = [group for group in found.groups if cause in (None, group.cause)]
    if is_retry:
        codes = [_retry(bridge, group, node, per_minute, dry_run=dry_run, as_json=as_json) for group in groups]
        return max(codes, default=ExitCode.OK)
    if as_json:
        for group in groups:
            print_json(group)
    else:
        console().print(_table(groups))
    return ExitCode.OK


def _retry(
    bridge: Bridge, group: FailureGroup, node: str | None, per_minute: int | None, *, dry_run: bool, as_json: bool
) -> ExitCode:
    wanted, left, code = replace(group.filter, node=node), True, ExitCode.OK
    while left:
        rerun = bridge.retry_failures(wanted, dry_run=dry_run, per_minute=per_minute)
        if as_json:
            print_json(rerun)
        else:
            for job in rerun.jobs:
                click.echo(job.job_id)
        for refused in rerun.refused:
            click.echo(f"tsm-bridge: {refused.job_id}: {refused.detail}", err=True)
            code = ExitCode.REFUSED
        left = bool(rerun.left)
    return code


def _table(groups: Sequence[FailureGroup]) -> Table:
    table = Table(*COLUMNS, box=None, pad_edge=False)
    for group in groups:
        nodes = ", ".join(f"{each.node or 'none'} {each.count}" for each in group.nodes[:NODES])
        more = ", …" if len(group.nodes) > NODES else ""
        last = "" if group.last_end_time is None else f"{group.last_end_time:%Y-%m-%d %H:%M:%S}Z"
        cells = (str(group.count), group.kind, group.cause, str(group.runnable), nodes + more, str(group.things_count))
        table.add_row(*map(Text, (*cells, last, group.example.job_id, group.example.explanation)))
    return table
