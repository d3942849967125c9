"""Running the application on waitress."""

import logging
import signal
from types import FrameType
from typing import NoReturn

import falcon
from jinja2 import TemplateError
from waitress.server import create_server

from bridge.app import create_app
from bridge.settings import Settings, SettingsError
from bridge.slurm.errors import WorkerUnavailableError
from bridge.slurm.gateway import SlurmGateway

log = logging.getLogger(__name__)

# Bodies above this are cut off by waitress itself. Those below it and too large for a route are read to their end, so
# that the client gets to read the answer that says so.
TRANSPORT_MAX_BODY_BYTES = 8 * 1024 * 1024


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Raises `SettingsError` where the settings do not let it start."""
    signal.signal(signal.SIGTERM, _exit)
    gateway = SlurmGateway(
        slurm_conf_path=settings.slurm_conf_path, workers=settings.workers, max_waiting=settings.max_waiting
    )
    try:
        app = create_app(settings, gateway)
        gateway.start()
        _listen(app, settings)
    except TemplateError as error:
        raise SettingsError(f"template_folder: a job script template cannot be used: {error!r}") from None
    except WorkerUnavailableError as error:
        raise SettingsError(str(error)) from None
    finally:
        gateway.close()


def _listen(app: falcon.App[falcon.Request, falcon.Response], settings: Settings) -> None:
    try:
        server = create_server(
            app,
            host=settings.host,
            port=settings.port,
            threads=settings.threads,
            ident="tsm-slurm-bridge",
            max_request_body_size=TRANSPORT_MAX_BODY_BYTES,
        )
    except OSError as error:
        raise SettingsError(f"host, port: cannot listen on {settings.host}:{settings.port}: {error.strerror}") from None
    log.info("listening", extra={"host": settings.host, "port": settings.port})
    server.run()
    log.info("stopped")


def _exit(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)  # waitress answers what is in flight on it, then run() returns
