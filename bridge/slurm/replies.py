"""What a worker's reply means for the one who asked."""

from collections.abc import Callable
from typing import TypeVar

from bridge.errors import BridgeError
from bridge.slurm.messages import Bug, Failure, Reply

R = TypeVar("R")


def expect(wanted: type[R], reply: Reply, error_for: Callable[[int, str], BridgeError]) -> R:
    """The reply, where it is the one wanted.

    Raises what `error_for` makes of Slurm's number and words where Slurm refused, `RuntimeError` for a bug in a worker.
    """
    if isinstance(reply, wanted):
        return reply
    if isinstance(reply, Failure):
        raise error_for(reply.code, reply.message)
    what = reply.traceback if isinstance(reply, Bug) else f"it answered {type(reply).__name__}"
    raise RuntimeError(f"in a worker: {what}")
