"""What a worker's reply means for the one who asked."""

import logging
from collections.abc import Callable
from typing import TypeVar

from bridge.core.errors import BridgeError
from bridge.slurm.errors import not_sent
from bridge.slurm.message_format import Reply
from bridge.slurm.messages import Bug, Failure, NotSent

log = logging.getLogger(__name__)

R = TypeVar("R")


def expect(wanted: type[R], reply: Reply, error_for: Callable[[int, str], BridgeError]) -> R:
    """The reply, where it is the one wanted.

    Raises what `error_for` makes of Slurm's number and words where Slurm refused, `ControllerUnreachableError`
    where the request was not sent, `RuntimeError` for a bug in a worker.
    """
    if isinstance(reply, wanted):
        return reply
    if isinstance(reply, Failure):
        raise error_for(reply.code, reply.message)
    if isinstance(reply, NotSent):
        raise not_sent(reply.code, reply.message)
    if isinstance(reply, Bug):
        log.error("bug in a worker", extra={"worker_traceback": reply.traceback})
    raise RuntimeError(f"a worker answered {type(reply).__name__}")
