"""Whether the controller accepts tokens that callers bring."""

import threading
from collections.abc import Callable

from bridge.core.deadline import Deadline
from bridge.core.errors import ControllerUnreachableError, SlurmRefusedError
from bridge.slurm.client.pool import WorkerPool
from bridge.slurm.client.replies import expect
from bridge.slurm.client.start_gate import StartGate
from bridge.slurm.errors import WorkerLostError, reading_error
from bridge.slurm.messages import ControllerFacts, Verified, VerifyToken
from bridge.slurm.worker.main import token_check_main


class TokenClient:
    """Has a worker of its own, as soon as there is a token to check on a cluster that knows tokens.

    Safe to use from many threads.
    """

    def __init__(
        self, ask_controller: Callable[[Deadline], ControllerFacts], arguments: tuple[str | None, ...], gate: StartGate
    ) -> None:
        self._ask_controller = ask_controller
        self._verifier = WorkerPool(token_check_main, arguments, gate, size=1)
        self._lock = threading.Lock()
        self._is_begun = False

    @property
    def pools(self) -> tuple[WorkerPool, ...]:
        """The worker, where it is needed."""
        return (self._verifier,) if self._is_begun else ()

    def verify(self, token: str, deadline: Deadline) -> bool:
        """See `Gateway.verify_token`."""
        if not self._is_begun:
            self._begin(deadline)
        try:
            return expect(Verified, self._verifier.call(VerifyToken(token), deadline), reading_error).is_good
        except WorkerLostError as error:
            raise ControllerUnreachableError(f"{error}. Send the request again later.") from None

    def close(self) -> None:
        """End the worker."""
        self._verifier.close()

    def _begin(self, deadline: Deadline) -> None:
        """Start the worker, unless libslurm would end it at the first token."""
        if not self._ask_controller(deadline).has_tokens:
            raise SlurmRefusedError(
                "The cluster knows no tokens (AuthAltTypes=auth/jwt, and Slurm's plugin auth_jwt.so where the bridge "
                "runs): the operator's to mend."
            )
        with self._lock:
            if not self._is_begun:
                self._verifier.begin()
                self._is_begun = True
