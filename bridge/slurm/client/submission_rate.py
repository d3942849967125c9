"""How many submissions the controller's limit of requests (rl_enable) leaves room for.

libslurm hides that limit: told to back off, it sleeps for a second and repeats, in the call. So submissions beyond the
limit would block all workers, and have an unknown outcome where their time is up by then. They are refused before.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bridge.core.deadline import Deadline
from bridge.core.errors import OverloadedError
from bridge.slurm.messages import RpcLimit

SHARE = 1 / 3  # of the limit is for submissions: one with a key costs a look at the queue and a release beside
BACKED_OFF_SECONDS = 1.0  # a submission that takes so long was told to back off: others use the limit as well


class SubmissionRate:
    """A bucket of tokens, one for each submission. Lets everything pass until a limit is known. For many threads."""

    def __init__(self, now_seconds: Callable[[], float] = time.monotonic) -> None:
        self._now_seconds = now_seconds
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._limit: RpcLimit | None = None
        self._tokens = 0.0
        self._filled_at_seconds = 0.0

    def learn(self, limit: RpcLimit | None) -> None:
        """The controller says how many requests it takes."""
        with self._lock:
            if limit is not None and self._limit is None:
                self._tokens, self._filled_at_seconds = _most_tokens(limit), self._now_seconds()
            self._limit = limit

    @contextmanager
    def admitted(self, deadline: Deadline) -> Iterator[None]:
        """Send a submission meanwhile: one at a time where there is a limit, so that only one worker sleeps.

        Raises `OverloadedError` where the limit has no room for it, or its turn does not come by `deadline`.
        """
        if self._limit is None:
            yield
            return
        self._take()
        if not self._turn.acquire(timeout=deadline.remaining_seconds):
            raise _too_many()
        begun_at_seconds = self._now_seconds()
        try:
            yield
        finally:
            self._note(self._now_seconds() - begun_at_seconds)
            self._turn.release()

    def _take(self) -> None:
        with self._lock:
            self._fill()
            if self._tokens < 1:
                raise _too_many()
            self._tokens -= 1

    def _note(self, took_seconds: float) -> None:
        if took_seconds >= BACKED_OFF_SECONDS:
            with self._lock:
                self._fill()
                self._tokens = min(self._tokens, 0.0)

    def _fill(self) -> None:
        now_seconds = self._now_seconds()
        if self._limit is not None:
            gained = SHARE * self._limit.per_second * (now_seconds - self._filled_at_seconds)
            self._tokens = min(_most_tokens(self._limit), self._tokens + gained)
        self._filled_at_seconds = now_seconds


def _most_tokens(limit: RpcLimit) -> float:
    return max(1.0, SHARE * limit.bucket_size)


def _too_many() -> OverloadedError:
    return OverloadedError(
        "The controller limits requests (rl_enable in SlurmctldParameters), and this one would be too many: nothing "
        "was submitted. Send it again later."
    )
