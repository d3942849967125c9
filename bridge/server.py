"""Running the application on waitress: everything it needs is put together, started and stopped here."""

import gc
import logging
import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import Any

import falcon
from jinja2 import TemplateError
from waitress.channel import HTTPChannel

from bridge import cpus
from bridge.app import create_app
from bridge.auth.controller_check import require_cluster_tokens
from bridge.auth.exposure import refuse_exposure
from bridge.deadline import Deadline
from bridge.identity import load_secret
from bridge.listening import listening, where
from bridge.parts import Parts, thread_count
from bridge.settings import Settings, SettingsError
from bridge.slurm.errors import WorkerUnavailableError
from bridge.slurm.gateway import SlurmGateway

log = logging.getLogger(__name__)

CHECK_PAUSE_SECONDS = 0.02  # while the last answers leave
# For so long the thread that takes in a look at a long queue may keep those from running that answer requests. With
# Python's own 5 ms the p99 of submissions beside clients that wait for news is longer.
SWITCH_SECONDS = 0.0005


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Raises `SettingsError` where the settings do not let it start."""
    cpus.keep_to_one()
    sys.setswitchinterval(SWITCH_SECONDS)
    gateway = SlurmGateway(slurm_conf_path=settings.slurm_conf_path, workers=settings.workers)
    parts = Parts.of(settings, gateway, _load_secret(settings))
    refuse_exposure(None if settings.socket_path else settings.host, parts.verifiers)
    try:
        app = create_app(settings, parts)
        gateway.start()
        if settings.slurm_tokens is not None and settings.slurm_tokens.jwks_path is None:
            require_cluster_tokens(gateway)
        parts.start()
        connections: dict[int, Any] = {}
        _Stopping(parts, gateway, connections, settings.request_timeout_seconds).install()
        _listen(app, settings, connections)
    except (TemplateError, UnicodeDecodeError) as error:
        raise SettingsError(f"template_folder: a job script template cannot be used: {error!r}") from None
    except WorkerUnavailableError as error:
        raise SettingsError(str(error)) from None
    finally:
        parts.close()
        gateway.close()


def _load_secret(settings: Settings) -> bytes:
    try:
        return load_secret(settings.digest_secret_path)
    except (OSError, ValueError) as error:
        raise SettingsError(f"digest_secret_path: {error}") from None


def _listen(app: falcon.App[falcon.Request, falcon.Response], settings: Settings, connections: dict[int, Any]) -> None:
    with listening(app, settings, thread_count(settings), connections) as server:
        log.info("listening", extra=where(settings))
        gc.freeze()  # what there is by now stays: no collection need go through it
        server.run()
    log.info("stopped")


class _Stopping:
    """The first SIGTERM or SIGINT lets every request have its answer and takes no new work; the second ends at once."""

    def __init__(
        self, parts: Parts, gateway: SlurmGateway, connections: dict[int, Any], timeout_seconds: float
    ) -> None:
        self._parts = parts
        self._gateway = gateway
        self._connections = connections
        self._timeout_seconds = timeout_seconds
        self._is_stopping = False

    def install(self) -> None:
        signal.signal(signal.SIGTERM, self._handle)
        signal.signal(signal.SIGINT, self._handle)

    def _handle(self, _signal: int, _frame: FrameType | None) -> None:
        if self._is_stopping:
            self._gateway.close()  # or waitress would wait for the threads that wait for Slurm
            raise SystemExit(0)  # ends waitress's loop
        self._is_stopping = True
        log.info("stopping")
        self._parts.admission.close()
        threading.Thread(target=self._end_when_answered, daemon=True).start()

    def _end_when_answered(self) -> None:
        self._parts.board.close()  # those who wait for news get what is known
        deadline = Deadline.after(self._timeout_seconds)
        while deadline.remaining_seconds and any(map(_owes_an_answer, list(self._connections.values()))):
            time.sleep(CHECK_PAUSE_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)


def _owes_an_answer(connection: Any) -> bool:
    """Whether a request is being handled, or its answer has not left yet."""
    return isinstance(connection, HTTPChannel) and bool(connection.requests or connection.total_outbufs_len)
