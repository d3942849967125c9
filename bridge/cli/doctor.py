"""The command itself: settings in, a line or a document for each finding out."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import click

from bridge.cli.exit_codes import ExitCode
from bridge.config.load import load_settings
from bridge.config.settings import SettingsError
from bridge.doctor.examination import examine
from bridge.doctor.findings import Finding, Level, red


@click.command
@click.option("--config", metavar="FILE", type=click.Path(path_type=Path), help="Settings file (TOML).")
@click.option("--probe", is_flag=True, help="Also run a job of each kind, which looks for the extractor on a node.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one document a line.")
def doctor(config: Path | None, probe: bool, as_json: bool) -> ExitCode:
    """Check settings, this machine and the cluster: green, yellow, red, with what to do.

    Run it as the service's user, with the service's settings and environment. Exit status: 0, or 1 where a finding
    is red.
    """
    levels = set()
    for finding in _findings(config, probe):
        levels.add(finding.level)
        click.echo(json.dumps(asdict(finding)) if as_json else _line(finding))
    return ExitCode.FAILED if Level.RED in levels else ExitCode.OK


def _findings(config: Path | None, probe: bool) -> Iterable[Finding]:
    try:
        settings = load_settings({}, config)
    except SettingsError as error:
        return [
            red("settings", line, "docs/operators.md has a table of all settings") for line in str(error).splitlines()
        ]
    return examine(settings, is_probing=probe)


def _line(finding: Finding) -> str:
    head = click.style(f"{finding.level:6}  {finding.check}", fg=finding.level, bold=finding.level is Level.RED)
    fix = f"\n        -> {finding.fix}" if finding.fix else ""
    return f"{head}: {finding.text}{fix}"
