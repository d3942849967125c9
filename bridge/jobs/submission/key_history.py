"""The jobs that ended before the bridge was started, by key, as accounting has them.

The controller forgets a job soon after its end (`MinJobAge`), and a bridge that is started then would take a repeated
request for a new one. So a thread reads accounting once, the newest hours first. No request asks it anything. Jobs that
were cancelled before they started are left out: such a one may be a duplicate whose other job a crash has lost.
"""

import logging
import threading
import time

from bridge.core.deadline import Deadline
from bridge.core.errors import BridgeError
from bridge.jobs.status.job_view import Job, own_jobs
from bridge.jobs.submission.duplicates import was_cancelled_unstarted
from bridge.slurm.gateway import Gateway

log = logging.getLogger(__name__)

KEYS_MAX = 20_000  # the newest; a job takes some 1 kB
STEP_SECONDS = 3600  # of the past, a question: other questions come in between
ANSWER_SECONDS = 60.0  # accounting takes half a second for a thousand jobs
RETRY_SECONDS = 10.0
PATIENCE_SECONDS = 5.0  # of a request with a key that comes before accounting has told


class KeyHistory:
    """Reads `kept_hours` back, and forgets what it has read after as many. Safe to use from many threads."""

    def __init__(self, gateway: Gateway, kept_hours: int) -> None:
        self._gateway = gateway
        self._kept_seconds = kept_hours * 3600
        self._until = int(time.time())
        self._since = self._until - self._kept_seconds
        self._jobs: dict[str, tuple[Job, ...]] = {}
        self._has_told = threading.Event()  # or accounting cannot be asked now, or is not to be
        self._has_told.set()
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="key-history", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._has_told.clear()
        self._thread.start()

    def close(self) -> None:
        """Read no more."""
        self._is_closed.set()
        self._has_told.set()

    def wait(self, deadline: Deadline) -> None:
        """Wait for what is being read, some seconds at most: accounting that is away keeps no job from being sent."""
        if not self._has_told.is_set():
            self._has_told.wait(min(PATIENCE_SECONDS, deadline.remaining_seconds))

    def with_key(self, key: str) -> tuple[Job, ...]:
        """The jobs that have `key`, in no order."""
        return self._jobs.get(key, ())

    def read(self) -> None:
        """Read what has not been read yet. Raises what `Gateway.past` does; the next call goes on from there."""
        while self._since < self._until and len(self._jobs) < KEYS_MAX and not self._is_closed.is_set():
            since = max(self._since, self._until - STEP_SECONDS)
            for job in own_jobs(self._gateway.past(since, self._until, Deadline.after(ANSWER_SECONDS))):
                if not was_cancelled_unstarted(job):
                    key = job.key
                    self._jobs[key] = (*self._jobs.get(key, ()), job)
            self._until = since

    def _run(self) -> None:
        while not self._is_closed.is_set() and not self._has_read():
            self._is_closed.wait(RETRY_SECONDS)
        self._is_closed.wait(self._kept_seconds)
        self._jobs.clear()

    def _has_read(self) -> bool:
        try:
            self.read()
        except BridgeError as error:
            log.warning("the keys of jobs that ended earlier are not known yet", extra={"detail": str(error)})
        except Exception:  # whatever it was: no request is to wait for it
            log.exception("bug")
        else:
            return True
        finally:
            self._has_told.set()
        return False
