"""What has to be put right after a controller was silent or crashed: twins are cancelled, lost jobs submitted again.

Twins: a stopped controller may execute, when it goes on, a submission that was given up and made good meanwhile.
Losses: slurmctld saves its queue every five seconds; a crash forgets the jobs that it had accepted since, and gives
their ids to others.
"""

import logging
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass

from bridge.comments import JobComment
from bridge.deadline import Deadline
from bridge.errors import BridgeError
from bridge.keys import KeysAtWork
from bridge.slurm.board import Board, BoardJob
from bridge.slurm.gateway import Gateway
from bridge.slurm.messages import JobDescriptor

log = logging.getLogger(__name__)

CHECK_PAUSE_SECONDS = 0.5
RPC_SECONDS = 12.0  # longer than libslurm's own patience (MessageTimeout, 10 s)
SAVED_AFTER_SECONDS = 10.0  # of undisturbed operation a job is in slurmctld's saved state (SAVE_MAX_WAIT, 5 s)
WATCH_SECONDS = 10.0  # for how long after a silence twins are looked for


@dataclass(slots=True)
class _Accepted:
    """A job that the controller has accepted and may not have saved yet."""

    descriptor: JobDescriptor
    comment: JobComment
    job_id: str
    at_seconds: float


class Aftermath:
    """A thread that watches the controller while there is anything it could still lose or double."""

    def __init__(self, gateway: Gateway, board: Board, keys: KeysAtWork) -> None:
        self._gateway = gateway
        self._board = board
        self._keys = keys
        self._lock = threading.Lock()
        self._accepted: dict[str, _Accepted] = {}  # by key
        self._booted_at: int | None = None
        self._wake = threading.Event()
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="aftermath", daemon=True)

    def start(self) -> None:
        """Begin to watch; what an earlier bridge left behind is put right first."""
        self._thread.start()
        self._wake.set()

    def close(self) -> None:
        """Stop watching."""
        self._is_closed = True
        self._wake.set()

    def note_accepted(self, descriptor: JobDescriptor, comment: JobComment, job_id: str) -> None:
        """The controller has accepted this job."""
        with self._lock:
            self._accepted[comment.key] = _Accepted(descriptor, comment, job_id, time.monotonic())
        self._wake.set()

    def note_silence(self) -> None:
        """The controller did not answer somebody."""
        self._board.note_silence()
        self._wake.set()

    def _run(self) -> None:
        while not self._is_closed:
            self._wake.wait()
            self._wake.clear()
            while not self._is_closed and not self._is_done():
                self._check()
                time.sleep(CHECK_PAUSE_SECONDS)

    def _is_done(self) -> bool:
        since = self._board.answering_since_seconds
        is_calm = since is not None and time.monotonic() > since + WATCH_SECONDS
        with self._lock:
            return is_calm and not self._accepted

    def _check(self) -> None:
        deadline = Deadline.after(RPC_SECONDS)
        try:
            self._notice_crash(self._gateway.booted_at(deadline))
            since = self._board.answering_since_seconds
            if since is None or time.monotonic() < since + WATCH_SECONDS:
                self._board.look(deadline)
                self._cancel_twins(deadline)
                self._submit_lost()
            self._forget_saved()
        except BridgeError as error:
            log.debug("the controller is still being waited for", extra={"detail": str(error)})
            self._board.note_silence()

    def _notice_crash(self, booted_at: int) -> None:
        if self._booted_at is not None and booted_at != self._booted_at:
            log.warning("the controller was restarted", extra={"booted_at": booted_at})
            self._board.note_silence()
        self._booted_at = booted_at

    def _cancel_twins(self, deadline: Deadline) -> None:
        for jobs in self._board.twins():
            for twin in superfluous(jobs):
                self._gateway.cancel(twin.snapshot.job_id, deadline)
                log.warning("cancelled a twin", extra={"job_id": twin.snapshot.job_id, "key": twin.comment.key})

    def _submit_lost(self) -> None:
        with self._lock:
            lost = [job for job in self._accepted.values() if not self._board.with_key(job.comment.key)]
        # Others have ended, and the controller has forgotten them in due course.
        lost = [job for job in lost if self._is_older_than_boot(job)]
        if not lost:
            return
        deadline = Deadline.after(RPC_SECONDS)
        with ExitStack() as keys_at_work:
            for job in lost:
                keys_at_work.enter_context(self._keys.at_work(job.comment.key, deadline))
            self._board.look(deadline)
            for job in lost:
                if not self._board.with_key(job.comment.key):  # else its client was faster
                    self._submit_again(job, deadline)

    def _submit_again(self, job: _Accepted, deadline: Deadline) -> None:
        job_id = self._gateway.submit(job.descriptor, deadline)
        identity = {"lost_job_id": job.job_id, "job_id": job_id, "key": job.comment.key}
        log.warning("submitted a lost job again", extra=identity)
        self.note_accepted(job.descriptor, job.comment, job_id)

    def _is_older_than_boot(self, job: _Accepted) -> bool:
        accepted_at = time.time() - (time.monotonic() - job.at_seconds)
        return self._booted_at is not None and accepted_at < self._booted_at + 1  # it is in whole seconds

    def _forget_saved(self) -> None:
        since = self._board.answering_since_seconds
        if since is None:
            return
        now = time.monotonic()
        with self._lock:
            for key, job in list(self._accepted.items()):
                if now > max(job.at_seconds, since) + SAVED_AFTER_SECONDS:
                    del self._accepted[key]


def superfluous(jobs: list[BoardJob]) -> list[BoardJob]:
    """Which jobs of one key to cancel: those that wait, but for the first of them if none has started."""
    waiting = [job for job in jobs if job.snapshot.state == "PENDING"]
    has_started = len(waiting) < len([job for job in jobs if job.snapshot.state != "CANCELLED"])
    return waiting if has_started else waiting[1:]
