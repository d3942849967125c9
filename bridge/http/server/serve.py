"""Running the application on waitress: everything it needs is put together, started and stopped here."""

import logging

import falcon
from jinja2 import TemplateError

from bridge.auth.bind_check import refuse_open_listening
from bridge.config.settings import Settings, StartError
from bridge.core.process import keep_to_one_cpu, keep_what_there_is, shorten_thread_turns
from bridge.http.app import create_app
from bridge.http.server.listen import listening, where
from bridge.http.server.stopping import Stopping
from bridge.http.server.supervisor import Supervisor
from bridge.jobs.requests.idempotency import load_secret
from bridge.services import Services, require_cluster_tokens, thread_count
from bridge.slurm.client.slurm_gateway import SlurmGateway
from bridge.slurm.errors import WorkerUnavailableError

log = logging.getLogger(__name__)


def serve(settings: Settings) -> None:
    """Serve until SIGTERM, SIGINT or SIGHUP. Raises `SettingsError` where the settings do not let it start."""
    keep_to_one_cpu()
    shorten_thread_turns()
    gateway = SlurmGateway(slurm_conf_path=settings.slurm_conf_path, workers=settings.workers)
    try:
        services = Services.of(settings, gateway, _load_secret(settings))
    except (TemplateError, UnicodeDecodeError) as error:
        raise StartError(f"template_folder: a job script template cannot be used: {error!r}") from None
    refuse_open_listening(None if settings.socket_path else settings.host, services.verifiers)
    try:
        app = create_app(settings, services)
        gateway.start()
        if settings.slurm_tokens is not None and settings.slurm_tokens.jwks_path is None:
            require_cluster_tokens(gateway)
        services.start()
        _listen(app, settings, services, gateway)
    except WorkerUnavailableError as error:
        raise StartError(str(error)) from None
    finally:
        services.close()
        gateway.close()


def _load_secret(settings: Settings) -> bytes:
    try:
        return load_secret(settings.digest_secret_path)
    except (OSError, ValueError) as error:
        raise StartError(f"digest_secret_path: {error}") from None


def _listen(
    app: falcon.App[falcon.Request, falcon.Response], settings: Settings, services: Services, gateway: SlurmGateway
) -> None:
    supervisor = Supervisor.of_environment()

    def refuse_work() -> None:
        supervisor.say_stopping()
        services.slurm_limit.close()
        services.cache.close()  # clients that wait for a change get what is known

    with listening(app, settings, thread_count(settings), supervisor.say_alive) as server:
        # Without the gateway's end at the second signal waitress would wait for the threads that wait for Slurm.
        Stopping(server, refuse_work, gateway.close, settings.request_timeout_seconds).install()
        log.info("listening", extra=where(settings))
        supervisor.say_ready()
        keep_what_there_is()
        server.run()
    log.info("stopped")
