"""Whether the controller can be believed: since when it answers quickly, and whether it is the one that accepted a job.

A controller that was silent may still execute requests that were given up meanwhile. So the queue is believed to hold
everything that was sent earlier only once the controller has been answering quickly for a while. An answer that was
slow to come is silence up to then: a look that hangs while the controller is stopped succeeds as soon as it goes on,
beside the submissions that it was sent before.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bridge.core.errors import (
    BridgeError,
    ControllerUnreachableError,
    OutcomeUnknownError,
    SlurmRefusedError,
    TooManyRequestsError,
)

# Requests that piled up before a stopped controller are executed within some tens of milliseconds of its return.
SETTLE_SECONDS = 1.0
SLOW_SECONDS = 0.25  # most requests take a controller a millisecond
STOPPED_SECONDS = 2.0  # in a shorter silence the controller may have worked, and saved its queue
_REFUSALS = (SlurmRefusedError, TooManyRequestsError)  # which are answers as well


class ControllerTrust:
    """Safe to use from many threads. Moments are seconds on the monotonic clock."""

    def __init__(self, settle_seconds: float = SETTLE_SECONDS, slow_seconds: float = SLOW_SECONDS) -> None:
        self._settle_seconds = settle_seconds
        self._slow_seconds = slow_seconds
        self._lock = threading.Lock()
        self._waiting: dict[object, tuple[float, float]] = {}  # requests: when each was sent, and how long is slow
        self._quick_at_seconds = float("-inf")  # when the last quick answer came
        self._quick_since_seconds: float | None = None
        self._answering_since_seconds: float | None = None
        self._disturbed_at_seconds = float("-inf")
        self._booted_at: int | None = None
        # The controller limits requests (rl_enable): libslurm holds back what is beyond the limit, and sends it seconds
        # later, while other requests are answered quickly.
        self.limits_requests = False

    @property
    def answering_since_seconds(self) -> float | None:
        """Since when the controller has been answering; `None` while it is silent, and before its first answer."""
        return self._answering_since_seconds

    @property
    def booted_at(self) -> int | None:
        """When the controller was started, in seconds since the epoch; `None`: it has not said so yet."""
        return self._booted_at

    @contextmanager
    def watching(self, slow_seconds: float = 0.0) -> Iterator[None]:
        """Around each request to the controller. `slow_seconds`: this one may take so long before it counts as slow."""
        request, sent_at_seconds = object(), time.monotonic()
        slow_seconds = max(self._slow_seconds, slow_seconds)
        self._waiting[request] = sent_at_seconds, slow_seconds
        try:
            yield
        except BridgeError as error:
            self._note_end(sent_at_seconds, slow_seconds, error)
            raise
        else:
            self._note_end(sent_at_seconds, slow_seconds, None)
        finally:
            del self._waiting[request]

    def note_silence(self) -> None:
        """The controller did not answer a request: it may execute that later."""
        with self._lock:
            self._quick_since_seconds = self._answering_since_seconds = None
            self._disturbed_at_seconds = time.monotonic()

    def note_boot(self, booted_at: int) -> bool:
        """The controller says when it was started. True where that is another start than the one known before."""
        with self._lock:
            is_other = self._booted_at is not None and booted_at != self._booted_at
            self._booted_at = booted_at
            return is_other

    def settles_in_seconds(self) -> float:
        """How long until a look at the queue counts; 0 where one counts now, or may tell that the silence is over."""
        if self._is_waiting_too_long():
            return self._slow_seconds
        since = self._quick_since_seconds
        return 0.0 if since is None else max(0.0, since + self._settle_seconds - time.monotonic())

    def has_settled_before(self, look_begun_at_seconds: float) -> bool:
        """Whether a look that was begun then shows everything that was sent before the last silence."""
        since = self._quick_since_seconds
        has_settled = since is not None and look_begun_at_seconds >= since + self._settle_seconds
        return has_settled and not self._is_waiting_too_long()

    def was_silent_within(self, seconds: float) -> bool:
        """Whether the controller is silent or slow, or was so during the last `seconds`, or has not answered yet."""
        since = self._quick_since_seconds
        return since is None or time.monotonic() < since + seconds

    def was_disturbed_within(self, seconds: float) -> bool:
        """Whether the controller was seen to be silent or slow during the last `seconds`, or is so now."""
        return time.monotonic() < self._disturbed_at_seconds + seconds or self._is_waiting_too_long()

    def _note_end(self, sent_at_seconds: float, slow_seconds: float, error: BridgeError | None) -> None:
        waited_seconds = self._waited_seconds(sent_at_seconds)
        is_slow = waited_seconds > slow_seconds
        if error is None or isinstance(error, _REFUSALS):
            self._note_answer(waited_seconds, is_slow=is_slow)
        elif isinstance(error, OutcomeUnknownError) or (
            isinstance(error, ControllerUnreachableError) and (error.slurm_code or is_slow)
        ):
            self.note_silence()

    def _note_answer(self, waited_seconds: float, *, is_slow: bool) -> None:
        now_seconds = time.monotonic()
        with self._lock:
            if is_slow:
                self._disturbed_at_seconds = now_seconds
            else:
                self._quick_at_seconds = now_seconds
            if is_slow or self._quick_since_seconds is None:
                self._quick_since_seconds = now_seconds
            if waited_seconds > STOPPED_SECONDS or self._answering_since_seconds is None:
                self._answering_since_seconds = now_seconds

    def _waited_seconds(self, sent_at_seconds: float) -> float:
        """For how long nothing has told that the controller works: others may be answered quickly meanwhile."""
        return time.monotonic() - max(sent_at_seconds, self._quick_at_seconds)

    def _is_waiting_too_long(self) -> bool:
        waiting = list(self._waiting.values())
        return any(self._waited_seconds(sent_at_seconds) > slow_seconds for sent_at_seconds, slow_seconds in waiting)
