"""What libslurm reads when it starts and then keeps: slurm.conf, and with what to sign. Both may be outdated later."""

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bridge.slurm.conf_path import conf_path as find_conf
from bridge.slurm.errors import NOT_SENT, OUTCOME_UNKNOWN, SIGNATURE_REFUSED, SLURM_ERROR
from bridge.slurm.message_format import Reply, Request
from bridge.slurm.messages import Bug, Failure, JobDescriptor, NotSent
from bridge.slurm.worker.signing import Signature

if TYPE_CHECKING:
    from types import ModuleType

Handlers = dict[type[Request], Callable[[Any], Reply]]

# What a request ends with that went to where the cluster was before; slurmdbd's has no number of its own.
_MAY_HAVE_MOVED = NOT_SENT.keys() | OUTCOME_UNKNOWN.keys() | {SLURM_ERROR}


class Session:
    """Handles requests, and renews what is outdated where an error tells of it. Without `signature` none is fetched."""

    def __init__(
        self, pyslurm: "ModuleType", conf_path: str | None, handlers: Handlers, signature: Signature | None
    ) -> None:
        self._pyslurm = pyslurm
        self._conf_path = conf_path
        self._handlers = handlers
        self._signature = signature
        self._conf_folder = find_conf(conf_path).parent
        self._stamps = self._conf_stamps()

    def reply_to(self, request: Request) -> Reply:
        """Handle a request; once more, with what is new by then, where nothing was executed the first time."""
        reply = self._try(request)
        if isinstance(reply, (Failure, NotSent)) and self._has_renewed_for(reply.code):
            was_executed = isinstance(reply, Failure) and isinstance(request, JobDescriptor) and _may_be_done(reply)
            return reply if was_executed else self._try(request)
        return reply

    def _try(self, request: Request) -> Reply:
        try:
            if self._signature is not None:
                self._signature.renew_if_due()
        except self._pyslurm.RPCError as error:
            return NotSent(int(error.errno), str(error.msg))
        try:
            return self._handlers[type(request)](request)
        except self._pyslurm.RPCError as error:
            return Failure(int(error.errno), str(error.msg))
        except Exception as error:  # the web process logs it, and this one goes on
            frames = "".join(traceback.format_tb(error.__traceback__))
            return Bug(f"{frames}{type(error).__name__}")

    def _has_renewed_for(self, code: int) -> bool:
        """Whether something was outdated that explains this error."""
        if code in SIGNATURE_REFUSED and self._signature is not None:
            self._signature.expire()
            return True
        stamps = self._conf_stamps()
        if code not in _MAY_HAVE_MOVED or stamps == self._stamps:
            return False
        self._stamps = stamps
        self._pyslurm.slurm_fini()
        self._pyslurm.slurm_init(self._conf_path)
        return True

    def _conf_stamps(self) -> set[tuple[str, int, int]]:
        """When slurm.conf and what it may include were changed."""
        return {_stamp(path) for path in self._conf_folder.glob("*.conf")}


def _stamp(path: Path) -> tuple[str, int, int]:
    try:
        status = path.stat()
    except FileNotFoundError:  # it has gone since its folder was read
        return path.name, 0, 0
    return path.name, status.st_mtime_ns, status.st_size


def _may_be_done(reply: Failure) -> bool:
    return reply.code not in NOT_SENT and reply.code not in SIGNATURE_REFUSED
