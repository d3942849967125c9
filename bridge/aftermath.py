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
from bridge.errors import (
    ControllerUnreachableError,
    OutcomeUnknownError,
    OverloadedError,
    SlurmRefusedError,
    TooManyRequestsError,
)
from bridge.keys import KeysAtWork
from bridge.slurm.board import Board
from bridge.slurm.gateway import Gateway
from bridge.slurm.messages import JobDescriptor
from bridge.slurm.picture import BoardJob

log = logging.getLogger(__name__)

PAUSE_MIN_SECONDS, PAUSE_MAX_SECONDS = 0.5, 2.0  # between two checks: longer while all is well
RPC_SECONDS = 12.0  # longer than libslurm's own patience (MessageTimeout, 10 s)
SAVED_AFTER_SECONDS = 10.0  # of undisturbed operation a job is in slurmctld's saved state (SAVE_MAX_WAIT, 5 s)
WATCH_SECONDS = 10.0  # for how long after a silence twins are looked for


@dataclass(slots=True, eq=False)
class _Accepted:
    """A job that the controller has accepted and may not have saved yet."""

    descriptor: JobDescriptor
    comment: JobComment
    job_id: str
    at_seconds: float
    booted_at: int | None  # when the controller that has accepted it was started; None: not asked yet
    may_have_twin: bool  # another bridge may have been given the same key at the same time


class Aftermath:
    """A thread that watches the controller while there is anything it could still lose or double."""

    def __init__(self, gateway: Gateway, board: Board, keys: KeysAtWork) -> None:
        self._gateway = gateway
        self._board = board
        self._keys = keys
        self._lock = threading.Lock()
        self._accepted: dict[str, _Accepted] = {}  # by key, the oldest first
        self._booted_at: int | None = None
        self._pause_seconds = PAUSE_MIN_SECONDS
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

    def note_accepted(
        self, descriptor: JobDescriptor, comment: JobComment, job_id: str, *, may_have_twin: bool = False
    ) -> None:
        """The controller has accepted this job. `may_have_twin`: its key is known to others, and they may use it."""
        self._board.add(job_id, descriptor, comment)
        with self._lock:
            self._accepted.pop(comment.key, None)  # so that it goes to the end
            self._accepted[comment.key] = _Accepted(
                descriptor, comment, job_id, time.monotonic(), self._booted_at, may_have_twin
            )
        if not self._wake.is_set():
            self._wake.set()

    def note_cancelled(self, job_id: str, key: str) -> None:
        """A client has cancelled this job: should it get lost, or be lost, that is what was wanted."""
        with self._lock:
            if key in self._accepted and self._accepted[key].job_id == job_id:
                del self._accepted[key]

    def note_silence(self) -> None:
        """The controller did not answer somebody."""
        self._board.note_silence()
        self._pause_seconds = PAUSE_MIN_SECONDS
        self._wake.set()

    def _run(self) -> None:
        while not self._is_closed:
            self._wake.wait()
            self._wake.clear()
            self._pause_seconds = PAUSE_MIN_SECONDS
            while not self._is_closed and not self._is_done():
                try:
                    self._check()
                except Exception:  # this thread has to go on, or jobs are lost and doubled from now on
                    log.exception("bug")
                time.sleep(self._pause_seconds)
                self._pause_seconds = min(2 * self._pause_seconds, PAUSE_MAX_SECONDS)

    def _is_done(self) -> bool:
        with self._lock:
            return not self._accepted and not self._is_watching()

    def _is_watching(self) -> bool:
        """Whether the controller was silent a moment ago."""
        since = self._board.answering_since_seconds
        return since is None or time.monotonic() < since + WATCH_SECONDS

    def _check(self) -> None:
        deadline = Deadline.after(RPC_SECONDS)
        try:
            self._notice_crash(self._gateway.controller(deadline).booted_at)
            unconfirmed, in_danger = self._accepted_where()
            if unconfirmed or in_danger or self._is_watching():
                self._board.look(deadline)
                self._cancel_twins(deadline)
                for job in unconfirmed:
                    job.may_have_twin = False
                self._submit_lost(in_danger)
            self._forget_saved()
        except (ControllerUnreachableError, OutcomeUnknownError) as error:
            log.debug("the controller is still being waited for", extra={"detail": str(error)})
            self.note_silence()
        except OverloadedError as error:
            log.debug("the reader is busy", extra={"detail": str(error)})

    def _notice_crash(self, booted_at: int) -> None:
        if self._booted_at is not None and booted_at != self._booted_at:
            log.warning("the controller was restarted", extra={"booted_at": booted_at})
            self.note_silence()
        self._booted_at = booted_at
        with self._lock:
            for job in self._accepted.values():
                job.booted_at = job.booted_at or booted_at

    def _accepted_where(self) -> tuple[list[_Accepted], list[_Accepted]]:
        """Those that may have a twin, and those that another controller has accepted than the one there is now."""
        with self._lock:
            jobs = list(self._accepted.values())
        in_danger = [job for job in jobs if job.booted_at != self._booted_at]
        return [job for job in jobs if job.may_have_twin], in_danger

    def _cancel_twins(self, deadline: Deadline) -> None:
        for jobs in self._board.twins():
            for twin in superfluous(jobs):
                # The board is some milliseconds old. A job that runs by now is not the one to cancel: of two bridges
                # that see different moments each would cancel the other's choice.
                now = self._gateway.find(twin.snapshot.job_id, deadline)
                if now is not None and now.state == "PENDING":
                    self._gateway.cancel(twin.snapshot.job_id, deadline)
                    log.warning("cancelled a twin", extra={"job_id": twin.snapshot.job_id, "key": twin.comment.key})

    def _submit_lost(self, in_danger: list[_Accepted]) -> None:
        lost = [job for job in in_danger if not self._board.with_key(job.comment.key)]
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
        identity = {"lost_job_id": job.job_id, "key": job.comment.key}
        try:
            job_id = self._gateway.submit(job.descriptor, deadline)
        except TooManyRequestsError as error:
            log.warning("a lost job has to wait", extra={**identity, "detail": str(error)})
            job.at_seconds = time.monotonic()
            with self._lock:
                self._accepted[job.comment.key] = self._accepted.pop(job.comment.key)
        except SlurmRefusedError as error:
            log.warning("a lost job was refused and is given up", extra={**identity, "detail": str(error)})
            with self._lock:
                self._accepted.pop(job.comment.key, None)
        else:
            log.warning("submitted a lost job again", extra={**identity, "job_id": job_id})
            self.note_accepted(job.descriptor, job.comment, job_id)

    def _forget_saved(self) -> None:
        since = self._board.answering_since_seconds
        if since is None:
            return
        saved_until = time.monotonic() - SAVED_AFTER_SECONDS
        with self._lock:
            while self._accepted:
                oldest = next(iter(self._accepted.values()))
                if max(oldest.at_seconds, since) > saved_until:
                    return
                del self._accepted[oldest.comment.key]


def superfluous(jobs: list[BoardJob]) -> list[BoardJob]:
    """Which jobs of one key to cancel: those that wait, but for the first of them if none has started."""
    waiting = [job for job in jobs if job.snapshot.state == "PENDING"]
    has_started = len(waiting) < len([job for job in jobs if job.snapshot.state != "CANCELLED"])
    return waiting if has_started else waiting[1:]
