"""`tsm-bridge serve`: run the HTTP service."""

from pathlib import Path
from typing import Any

import click

from bridge.config.load import load_settings


@click.command
@click.option("--config", metavar="FILE", type=click.Path(path_type=Path), help="Settings file (TOML).")
@click.option("--host", metavar="ADDRESS", help="Address to listen on.")
@click.option("--port", type=int, help="Port to listen on.")
@click.option("--mqtt-broker", metavar="HOST:PORT|None", help="MQTT broker that the jobs report to.")
@click.option("--mqtt-user", metavar="USER", help="User at the MQTT broker.")
@click.option("--mqtt-password", metavar="PASSWORD", help="Its password; `ps` shows it: better set MQTT_PASSWORD.")
@click.option("--verbose", is_flag=True, default=None, help="Log at debug level, here and in the jobs.")
def serve(**options: Any) -> int:
    """Run the HTTP service.

    docs/operators.md has a table of all settings.
    """
    return _serve({name: value for name, value in options.items() if value is not None})


def _serve(options: dict[str, Any]) -> int:
    from bridge.core.json_logs import configure_logging
    from bridge.core.process import forbid_core_dumps
    from bridge.doctor.examination import warn_at_the_start
    from bridge.http.server.serve import serve as run  # not needed to print a usage, and slow to import

    config_file: Path | None = options.pop("config", None)
    forbid_core_dumps()  # before anything secret is read
    settings = load_settings(overrides=options, config_file=config_file)
    configure_logging(verbose=settings.verbose)
    warn_at_the_start(settings)
    run(settings)
    return 0
