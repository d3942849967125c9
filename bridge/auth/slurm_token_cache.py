"""Whether Slurm's controller accepts a token: the controller is asked, and its answer is kept for a moment."""

import hashlib
import logging
import threading
import time
from collections.abc import Callable

from bridge.auth.jwt import SeenJwt
from bridge.core.concurrency_limit import ConcurrencyLimit
from bridge.core.deadline import Deadline
from bridge.core.errors import BridgeError, OverloadedError, UnauthenticatedError
from bridge.slurm.gateway import Gateway

log = logging.getLogger(__name__)

WAITERS_MAX = 8  # requests of either sort that may wait for the controller's answer: any client can make tokens up
FRESH_SECONDS = 30.0  # the controller's yes; then one request asks again, while others go on with it
GOOD_SECONDS = 60.0  # a yes holds for this long without the controller
BAD_SECONDS = 10.0  # the controller's no
RENEWAL_TIMEOUT_SECONDS = 2.0
REMEMBERED_MAX = 1024  # tokens of either sort


class SlurmTokenCache:
    """Asks the controller, and remembers its answers. Safe to use from many threads.

    The service itself has no copy of the cluster's key, and needs none.
    """

    def __init__(
        self,
        gateway: Gateway,
        now_seconds: Callable[[], float] = time.monotonic,
        remembered_max: int = REMEMBERED_MAX,
    ) -> None:
        self._gateway = gateway
        self._now_seconds = now_seconds
        self._remembered_max = remembered_max
        self._asking = threading.Lock()  # one at a time: there is one worker for it
        # Tokens that were accepted before have places of their own, which no flood of invented tokens takes.
        self._regulars = ConcurrencyLimit(WAITERS_MAX, "wait for Slurm to check their tokens")
        self._strangers = ConcurrencyLimit(WAITERS_MAX, "wait for Slurm to check their tokens")
        # When the controller said so, by the token's digest; apart, so that no flood of bad ones displaces good ones.
        self._good: dict[bytes, float] = {}
        self._bad: dict[bytes, float] = {}

    def check(self, token: str, seen: SeenJwt, deadline: Deadline) -> None:
        """See `TokenCheck`. Raises what `Gateway.verify_token` does, and `OverloadedError`."""
        _refuse_hopeless(seen)
        if not self._is_good(token, hashlib.sha256(token.encode()).digest(), deadline):
            raise UnauthenticatedError("Slurm does not accept this token. Get a new one with `scontrol token`.")

    def _is_good(self, token: str, digest: bytes, deadline: Deadline) -> bool:
        if (known := self._known(digest)) is not None:
            return self._ask_again(token, digest) if known and self._is_due(digest) else known
        with self._regulars if digest in self._good else self._strangers:
            if not self._asking.acquire(timeout=deadline.remaining_seconds):
                raise OverloadedError("Slurm was busy with other tokens until the deadline. Send this request again.")
            try:
                known = self._known(digest)  # another request with the same token may have asked
                return self._ask(token, digest, deadline) if known is None else known
            finally:
                self._asking.release()

    def _known(self, digest: bytes) -> bool | None:
        if self._age_seconds(self._good, digest) < GOOD_SECONDS:
            return True
        return False if self._age_seconds(self._bad, digest) < BAD_SECONDS else None

    def _ask(self, token: str, digest: bytes, deadline: Deadline) -> bool:
        is_good = self._gateway.verify_token(token, deadline)
        self._good.pop(digest, None)
        answers = self._good if is_good else self._bad
        answers.pop(digest, None)
        answers[digest] = self._now_seconds()
        if len(answers) > self._remembered_max:
            del answers[next(iter(answers))]
        return is_good

    def _ask_again(self, token: str, digest: bytes) -> bool:
        """The controller's answer about a token that it accepted a while ago; yes, where it does not answer now."""
        if not self._asking.acquire(blocking=False):
            return True
        try:
            return self._ask(token, digest, Deadline.after(RENEWAL_TIMEOUT_SECONDS))
        except BridgeError as error:
            log.warning("a token could not be checked again", extra={"reason": str(error)})
            return True
        finally:
            self._asking.release()

    def _is_due(self, digest: bytes) -> bool:
        return self._age_seconds(self._good, digest) >= FRESH_SECONDS

    def _age_seconds(self, answers: dict[bytes, float], digest: bytes) -> float:
        return self._now_seconds() - answers.get(digest, float("-inf"))


def _refuse_hopeless(seen: SeenJwt) -> None:
    """Refuse what the controller would refuse, without asking it. Like it, allow for no difference of clocks."""
    if seen.header.get("alg") != "HS256":
        raise UnauthenticatedError("This is no token of this cluster: those are signed with HS256.")
    expires_at = seen.claims.get("exp")
    if not isinstance(expires_at, int) or expires_at <= time.time():
        raise UnauthenticatedError("This token has expired. Get a new one with `scontrol token`.")
