"""`GET /health` and `GET /ready`: whether the service lives, and whether it can do its work."""

import threading
import time
from datetime import UTC, datetime
from typing import Literal

import falcon

from bridge.core.deadline import Deadline
from bridge.core.errors import AccountingUnreachableError, BridgeError
from bridge.http.documents.response_models import CheckDocument, CheckName, Checks, HealthDocument, ReadyDocument
from bridge.jobs.failures.bad_nodes import BadNodes
from bridge.jobs.status.queue_cache import QueueCache
from bridge.slurm.gateway import Gateway

TIMEOUT_SECONDS = 2.0  # a controller that takes longer is not ready for work, nor is slurmdbd
PING_SECONDS = 1.0  # the same for a backup controller, which is not needed now
REMEMBERED_SECONDS = 1.0  # everybody may ask /ready; Slurm is asked once in this time at most
SPARE: set[CheckName] = {"accounting", "failover", "nodes"}  # without them jobs are taken and run all the same


class HealthResource:
    """Liveness: answers without asking any other process."""

    def on_get(self, _request: falcon.Request, response: falcon.Response) -> None:
        """200 as long as the process can answer."""
        health: HealthDocument = {"status": "ok"}
        response.media = health

    on_head = on_get


class ReadyResource:
    """Readiness, with one entry a dependency.

    All may ask. Where callers need a token (`is_guarded`), no detail is told: it may name hosts and folders.
    """

    def __init__(self, gateway: Gateway, cache: QueueCache, bad_nodes: BadNodes, *, is_guarded: bool) -> None:
        self._is_guarded = is_guarded
        self._gateway = gateway
        self._cache = cache
        self._bad_nodes = bad_nodes
        self._lock = threading.Lock()
        self._has_one_controller = False  # or it is not known
        self._checks: Checks = {"controller": {"ok": False, "detail": "is being asked"}}
        self._checked_at = -REMEMBERED_SECONDS

    def on_get(self, _request: falcon.Request, response: falcon.Response) -> None:
        """200 where the service can do its work, be it without accounting or a backup controller; else 503."""
        checks = self._current_checks()
        failed = {name for name, check in checks.items() if not check["ok"]}
        response.status = falcon.HTTP_200 if failed <= SPARE else falcon.HTTP_503
        ready: ReadyDocument = {
            "status": _status(failed),
            "checks": _without_details(checks) if self._is_guarded else checks,
        }
        response.media = ready

    on_head = on_get

    def _current_checks(self) -> Checks:
        """The checks as of a moment ago. While one caller asks the controller, the others get the answer before."""
        if self._lock.acquire(blocking=False):
            try:
                if time.monotonic() - self._checked_at >= REMEMBERED_SECONDS:
                    self._checks = {
                        "controller": self._check_controller(),
                        **self._check_failover(),
                        **self._check_accounting(),
                        "workers": self._check_workers(),
                        "board": self._check_board(),
                        **self._check_nodes(),
                    }
                    self._checked_at = time.monotonic()
            finally:
                self._lock.release()
        return self._checks

    def _check_controller(self) -> CheckDocument:
        """What a submission would meet: it goes the same way, and to a backup where that has taken over."""
        try:
            self._gateway.controller(Deadline.after(TIMEOUT_SECONDS))
        except BridgeError as error:
            return {"ok": False, "detail": error.slurm_message or str(error)}
        return {"ok": True, "detail": "answers"}

    def _check_failover(self) -> Checks:
        """No entry on a cluster with one controller, or where none has ever said how many there are."""
        if self._has_one_controller:
            return {}
        try:
            controllers = self._gateway.ping(Deadline.after(PING_SECONDS))
        except BridgeError as error:
            return {"failover": {"ok": False, "detail": str(error)}}
        if len(controllers) < 2:
            self._has_one_controller = True
            return {}
        silent = [controller.host for controller in controllers if not controller.is_responding]
        detail = f"no answer from {', '.join(silent)}" if silent else f"{len(controllers)} controllers answer"
        return {"failover": {"ok": not silent, "detail": detail}}

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
        if not self._cache.looked_at:
            return {"ok": False, "detail": "the queue has not been seen yet"}
        return {"ok": self._cache.is_current, "detail": f"{time.time() - self._cache.looked_at:.1f} s old"}

    def _check_nodes(self) -> Checks:
        """No entry where bad nodes are not left out."""
        if not self._bad_nodes.is_on:
            return {}
        until = self._bad_nodes.until().items()
        names = ", ".join(f"{name} until {datetime.fromtimestamp(at, UTC):%H:%M}Z" for name, at in until)
        return {
            "nodes": {"ok": not names, "detail": f"jobs fail on {names}: left out" if names else "none is left out"}
        }


def _without_details(checks: Checks) -> Checks:
    words = {True: "is well", False: "is not well; `tsm-bridge doctor` and the log of the service say why"}
    return {name: {"ok": check["ok"], "detail": words[check["ok"]]} for name, check in checks.items()}


def _status(failed: set[CheckName]) -> Literal["ready", "degraded", "not ready"]:
    if not failed:
        return "ready"
    return "degraded" if failed <= SPARE else "not ready"
