"""`GET /health` and `GET /ready`: whether the service lives, and whether it can do its work."""

import threading
import time
from typing import ClassVar, Literal

import falcon

from bridge.auth.callers import Scope
from bridge.deadline import Deadline
from bridge.documents import CheckDocument, CheckName, Checks, HealthDocument, ReadyDocument
from bridge.errors import AccountingUnreachableError, BridgeError
from bridge.parts import Parts

TIMEOUT_SECONDS = 2.0  # a controller that takes longer is not ready for work, nor is slurmdbd
REMEMBERED_SECONDS = 1.0  # anybody may ask /ready; Slurm is asked once in this time at most


class HealthResource:
    """Liveness: answers without asking anything or anybody."""

    scopes: ClassVar[dict[str, Scope]] = {}

    def on_get(self, _request: falcon.Request, response: falcon.Response) -> None:
        """200 as long as the process can answer."""
        health: HealthDocument = {"status": "ok"}
        response.media = health

    on_head = on_get


class ReadyResource:
    """Readiness, with one entry a dependency."""

    scopes: ClassVar[dict[str, Scope]] = {}

    def __init__(self, parts: Parts) -> None:
        self._gateway = parts.gateway
        self._board = parts.board
        self._lock = threading.Lock()
        self._checks: Checks = {"controller": {"ok": False, "detail": "is being asked"}}
        self._checked_at = -REMEMBERED_SECONDS

    def on_get(self, _request: falcon.Request, response: falcon.Response) -> None:
        """200 where the service can do its work, be it without accounting of old jobs; else 503."""
        checks = self._current_checks()
        failed = {name for name, check in checks.items() if not check["ok"]}
        response.status = falcon.HTTP_200 if failed <= {"accounting"} else falcon.HTTP_503
        ready: ReadyDocument = {"status": _status(failed), "checks": checks}
        response.media = ready

    on_head = on_get

    def _current_checks(self) -> Checks:
        """The checks as of a moment ago. While one caller asks the controller, the others get the answer before."""
        if self._lock.acquire(blocking=False):
            try:
                if time.monotonic() - self._checked_at >= REMEMBERED_SECONDS:
                    self._checks = {
                        "controller": self._check_controller(),
                        **self._check_accounting(),
                        "workers": self._check_workers(),
                        "board": self._check_board(),
                    }
                    self._checked_at = time.monotonic()
            finally:
                self._lock.release()
        return self._checks

    def _check_controller(self) -> CheckDocument:
        try:
            controllers = self._gateway.ping(Deadline.after(TIMEOUT_SECONDS))
        except BridgeError as error:
            return {"ok": False, "detail": error.slurm_message or str(error)}
        answering = [controller.host for controller in controllers if controller.is_responding]
        return {"ok": bool(answering), "detail": f"answered by {', '.join(answering)}" if answering else "no answer"}

    def _check_accounting(self) -> Checks:
        """No entry on a cluster without accounting, or as long as the controller has not said whether there is one."""
        try:
            if not self._gateway.ping_accounting(Deadline.after(TIMEOUT_SECONDS)):
                return {}
        except AccountingUnreachableError as error:
            return {"accounting": {"ok": False, "detail": error.slurm_message or str(error)}}
        except BridgeError:  # the controller's; it has an entry of its own
            return {}
        return {"accounting": {"ok": True, "detail": "slurmdbd answers"}}

    def _check_workers(self) -> CheckDocument:
        count = self._gateway.workers()
        detail = f"{count.alive} of {count.wanted} are running"
        if count.failure is not None:
            detail = f"{detail}; {count.failure}"
        return {"ok": count.alive > 0 and count.failure is None, "detail": detail}

    def _check_board(self) -> CheckDocument:
        if not self._board.looked_at:
            return {"ok": False, "detail": "the queue has not been seen yet"}
        return {"ok": self._board.is_current, "detail": f"{time.time() - self._board.looked_at:.1f} s old"}


def _status(failed: set[CheckName]) -> Literal["ready", "degraded", "not ready"]:
    if not failed:
        return "ready"
    return "degraded" if failed == {"accounting"} else "not ready"
