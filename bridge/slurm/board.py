"""The board: the bridge's own jobs as the controller last described them, found by the key they were submitted with.

A look at the queue costs the controller the same for one who asks as for many, so all who ask at the same time share
one. What an answer is worth depends on what came before: a controller that was silent may still be executing requests
that were given up meanwhile. A look counts as trusted only once the controller has been answering for a while.
"""

import threading
import time
from dataclasses import dataclass

from bridge.comments import JobComment
from bridge.deadline import Deadline
from bridge.errors import ControllerUnreachableError
from bridge.slurm.gateway import Gateway
from bridge.slurm.messages import JobSnapshot, QueueChange

# How long a controller must have been answering before the queue is taken to hold all that was sent to it earlier.
# Requests that piled up before a stopped controller are executed within some tens of milliseconds of its return.
SETTLE_SECONDS = 1.0
RETRY_PAUSE_SECONDS = 0.2  # after a look that failed
PATIENCE_SECONDS = 2.0  # a look that had less time than this and was not answered says nothing about the controller


@dataclass(frozen=True, slots=True)
class BoardJob:
    """A job of the bridge."""

    snapshot: JobSnapshot
    comment: JobComment


class Board:
    """Safe to use from many threads."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._changed = threading.Condition()
        self._jobs: dict[str, BoardJob] = {}
        self._ids_by_key: dict[str, set[str]] = {}
        self._pending = 0
        self._expected: list[float] = []  # when jobs were submitted that the board may not have seen yet
        self._is_looking = False
        self._looked_at_seconds = float("-inf")  # when the last look that succeeded was begun
        self._answering_since_seconds: float | None = None  # None: silent, or never asked

    @property
    def answering_since_seconds(self) -> float | None:
        """Since when, on the monotonic clock, the controller has been answering; None while it is not."""
        return self._answering_since_seconds

    def note_silence(self) -> None:
        """The controller did not answer somebody: what was sent to it may be executed later."""
        with self._changed:
            self._answering_since_seconds = None

    def look(self, deadline: Deadline, *, max_age_seconds: float = 0.0) -> None:
        """Bring the board to how the queue stands after this call was made, or a given time before, in a trusted look.

        Raises `ControllerUnreachableError` where that was not possible by `deadline`, `OverloadedError` where the
        reader was busy until then.
        """
        asked_at_seconds = time.monotonic() - max_age_seconds
        error = ControllerUnreachableError("The Slurm controller did not answer in time. Ask again later.")
        while not self._is_trusted(asked_at_seconds):
            if not deadline.remaining_seconds:
                raise error
            try:
                if self._take_turn(deadline):
                    self._load(deadline)
            except ControllerUnreachableError as failure:
                error = failure
                time.sleep(min(RETRY_PAUSE_SECONDS, deadline.remaining_seconds))

    @property
    def pending(self) -> int:
        """How many jobs wait: as of the last look, and those submitted since."""
        with self._changed:
            return self._pending + len(self._expected)

    def expect_job(self) -> None:
        """A job is about to be submitted."""
        with self._changed:
            self._expected.append(time.monotonic())

    def with_key(self, key: str) -> list[BoardJob]:
        """The jobs submitted with `key`, oldest first; more than one only where Slurm made a twin."""
        with self._changed:
            jobs = [self._jobs[job_id] for job_id in self._ids_by_key.get(key, ())]
        return sorted(jobs, key=lambda job: int(job.snapshot.job_id))

    def twins(self) -> list[list[BoardJob]]:
        """The jobs of each key that has more than one, oldest first."""
        with self._changed:
            keys = [key for key, job_ids in self._ids_by_key.items() if len(job_ids) > 1]
        return [self.with_key(key) for key in keys]

    def _is_trusted(self, asked_at_seconds: float) -> bool:
        with self._changed:
            since = self._answering_since_seconds
            looked_at = self._looked_at_seconds
            return since is not None and looked_at >= max(asked_at_seconds, since + SETTLE_SECONDS)

    def _take_turn(self, deadline: Deadline) -> bool:
        """True where the caller is to look now; False after a wait that may have changed something."""
        with self._changed:
            since = self._answering_since_seconds
            settled_in = 0.0 if since is None else since + SETTLE_SECONDS - time.monotonic()
            if self._is_looking or settled_in > 0:
                pause = deadline.remaining_seconds if self._is_looking else settled_in
                self._changed.wait(min(pause, deadline.remaining_seconds))
                return False
            self._is_looking = True
            return True

    def _load(self, deadline: Deadline) -> None:
        begun_at_seconds = time.monotonic()
        try:
            change = self._gateway.queue(deadline)
        except ControllerUnreachableError as error:
            if error.slurm_code or time.monotonic() - begun_at_seconds > PATIENCE_SECONDS:
                self.note_silence()
            raise
        else:
            with self._changed:
                self._apply(change)
                self._looked_at_seconds = begun_at_seconds
                self._expected = [at_seconds for at_seconds in self._expected if at_seconds >= begun_at_seconds]
                if self._answering_since_seconds is None:
                    self._answering_since_seconds = time.monotonic()
        finally:
            with self._changed:
                self._is_looking = False
                self._changed.notify_all()

    def _apply(self, change: QueueChange) -> None:
        if change.is_full:
            self._jobs.clear()
            self._ids_by_key.clear()
            self._pending = 0
        for job_id in change.gone:
            self._forget(job_id)
        for snapshot in change.jobs:
            self._forget(snapshot.job_id)  # an id may come again with another job, after a controller's crash
            comment = JobComment.from_json(snapshot.comment)
            if comment is not None:
                self._jobs[snapshot.job_id] = BoardJob(snapshot, comment)
                self._ids_by_key.setdefault(comment.key, set()).add(snapshot.job_id)
                self._pending += snapshot.state == "PENDING"

    def _forget(self, job_id: str) -> None:
        job = self._jobs.pop(job_id, None)
        if job is not None:
            self._pending -= job.snapshot.state == "PENDING"
            job_ids = self._ids_by_key[job.comment.key]
            job_ids.discard(job_id)
            if not job_ids:
                del self._ids_by_key[job.comment.key]
