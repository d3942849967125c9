"""The board: one look at the queue for all who ask, however many they are.

Two kinds of callers. Those who only want to know how a job stands read what the last look has shown; a thread looks
again, once a second while there are such readers and seldom while there are none. Those who decide by it whether a job
is to be submitted need a look that was begun after they asked, and one that can be trusted: a controller that was
silent may still be executing requests that were given up meanwhile, so that a look counts only once the controller has
been answering for a while.
"""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from bridge.comments import JobComment
from bridge.deadline import Deadline
from bridge.errors import BridgeError, ControllerUnreachableError, OverloadedError
from bridge.slurm.gateway import Gateway
from bridge.slurm.messages import JobDescriptor, QueueChange
from bridge.slurm.picture import BoardJob, Picture, Sighting, own_jobs
from bridge.slurm.waiters import Waiters

log = logging.getLogger(__name__)

# How long a controller must have been answering before the queue is taken to hold all that was sent to it earlier.
# Requests that piled up before a stopped controller are executed within some tens of milliseconds of its return.
SETTLE_SECONDS = 1.0
RETRY_PAUSE_SECONDS = 0.2  # after a look that failed
PATIENCE_SECONDS = 2.0  # a look that had less time than this and was not answered says nothing about the controller
LOOK_WAITERS_MAX = 32  # readers that wait for a look; it may take a moment where somebody asks for the first time
OVERDUE_CHECK_SECONDS = 0.25  # that a look takes too long is an event nobody tells of
LOOK_SECONDS = 12.0  # longer than libslurm's own patience (MessageTimeout, 10 s)

# From the beginning of one look to that of the next, while somebody reads the board.
INTERVAL_SECONDS = 1.0
COST_SHARE = 4  # a look that takes long is begun after this many times as long, ...
INTERVAL_MAX_SECONDS = 5.0  # ... but not later than this: it may only have been the controller that stalled
# The same while nobody does: often enough to see how a job has ended before the controller forgets it.
IDLE_INTERVAL_MAX_SECONDS = 30.0
INTEREST_SECONDS = 5.0  # for so long after the last reader the board is kept fresh


class Board:
    """Safe to use from many threads. `max_waiting` readers may wait for news of a job at a time, the next do not."""

    def __init__(self, gateway: Gateway, max_waiting: int) -> None:
        self._gateway = gateway
        self._news_gate = threading.BoundedSemaphore(max_waiting)
        self._look_gate = threading.BoundedSemaphore(LOOK_WAITERS_MAX)
        self._changed = threading.Condition()
        self._picture = Picture()
        self._expected: list[float] = []  # when jobs were submitted that the board may not have seen yet
        self._waiters = Waiters()
        self._looking_since_seconds: float | None = None  # None: nobody is
        self._looked_at_seconds = float("-inf")  # when the last look that succeeded was begun
        self._look_cost_seconds = 0.0
        self._failure: Exception | None = None  # of the last look
        self._answering_since_seconds: float | None = None  # None: silent, or never asked
        self._read_at_seconds = float("-inf")
        self._wanted_at_seconds = float("-inf")  # when a look was last asked for that is begun later
        self._min_job_age_seconds: int | None = None  # None: to be asked
        self._is_closed = False
        self._thread = threading.Thread(target=self._keep_fresh, name="board", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """Look no more, and let nobody wait."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self._waiters.tell_all()

    # What readers use.

    def freshen(self, deadline: Deadline) -> None:
        """Let the board be as fresh as it is kept for readers, where the controller answers."""
        self._read_at_seconds = time.monotonic()
        if not self._is_fresh():
            with suppress(OverloadedError):
                self._wait_for_look(self._is_fresh, deadline)

    def look_again(self, deadline: Deadline) -> None:
        """Wait for a look that is begun after this call.

        Raises `ControllerUnreachableError` where there was none by `deadline`, `OverloadedError` where too many wait.
        """
        asked_at_seconds = self._read_at_seconds = self._wanted_at_seconds = time.monotonic()
        if not self._wait_for_look(lambda: self._looked_at_seconds >= asked_at_seconds, deadline):
            raise ControllerUnreachableError("The Slurm controller, which may know this, does not answer. Ask again.")

    def find(self, job_id: str) -> Sighting | None:
        """How the job stands, as far as the board knows."""
        with self._changed:
            return self._picture.find(job_id)

    def sighting_of(self, job: BoardJob) -> Sighting:
        """How a job of `newest_first` stood when that was called."""
        with self._changed:
            return self._picture.sighting_of(job)

    def newest_first(self) -> list[BoardJob]:
        """All jobs on the board. The list is not to be changed."""
        with self._changed:
            return self._picture.newest_first()

    def wait_for_change(self, job_id: str, state: str, deadline: Deadline) -> bool:
        """Wait until the job is in another state than `state`, or is lost, or `deadline` has come.

        False, at once, where too many wait already, or the board is closed.
        """
        if not self._news_gate.acquire(blocking=False):
            return False
        try:
            with self._waiters.waiting_for(job_id) as event:
                self._wake()
                while not self._is_closed:
                    event.clear()
                    sighting = self.find(job_id)
                    has_changed = sighting is None or sighting.is_lost or sighting.job.snapshot.state != state
                    if has_changed or not deadline.remaining_seconds:
                        return True
                    if not self._is_closed:  # since the event was cleared
                        event.wait(deadline.remaining_seconds)
            return False
        finally:
            self._news_gate.release()

    @property
    def looked_at(self) -> float:
        """When the queue stood as the board shows it, in seconds since the epoch; 0 where that was never seen."""
        return self._picture.looked_at

    @property
    def min_job_age_seconds(self) -> int:
        """For how long the controller remembers a job that has ended; 0 while it has not said so."""
        return self._min_job_age_seconds or 0

    @property
    def is_current(self) -> bool:
        """Whether the controller answered the last time, and answers now."""
        since = self._looking_since_seconds
        usual_seconds = min(2 * self._look_cost_seconds, INTERVAL_MAX_SECONDS)
        is_overdue = since is not None and time.monotonic() - since > max(PATIENCE_SECONDS, usual_seconds)
        return self._failure is None and not is_overdue

    # What those use who submit.

    @property
    def answering_since_seconds(self) -> float | None:
        """Since when, on the monotonic clock, the controller has been answering; None while it is not."""
        return self._answering_since_seconds

    def note_silence(self) -> None:
        """The controller did not answer somebody: what was sent to it may be executed later."""
        with self._changed:
            self._answering_since_seconds = None

    def add(self, job_id: str, descriptor: JobDescriptor, comment: JobComment) -> None:
        """The controller has just accepted this job."""
        with self._changed:
            self._picture.add(job_id, descriptor, comment)

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
            return self._picture.pending + len(self._expected)

    def expect_job(self) -> None:
        """A job is about to be submitted."""
        with self._changed:
            self._expected.append(time.monotonic())

    def with_key(self, key: str) -> list[BoardJob]:
        """The jobs in the queue that were submitted with `key`, oldest first; several only where Slurm made a twin."""
        with self._changed:
            return self._picture.with_key(key)

    def twins(self) -> list[list[BoardJob]]:
        """The jobs of each key that has more than one, oldest first."""
        with self._changed:
            return [self._picture.with_key(key) for key in self._picture.shared_keys()]

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
            if settled_in > 0:
                self._changed.wait(min(settled_in, deadline.remaining_seconds))
                return False
            return self._may_look(deadline)

    # The looks themselves.

    def _may_look(self, deadline: Deadline) -> bool:
        """True where the caller is to look now; False after a wait for another who does. To be called with the lock."""
        if self._looking_since_seconds is not None:
            self._changed.wait(deadline.remaining_seconds)
            return False
        self._looking_since_seconds = time.monotonic()
        return True

    def _load(self, deadline: Deadline) -> None:
        begun_at_seconds, begun_at = time.monotonic(), time.time()
        failure: Exception | None = None
        try:
            change = self._gateway.queue(deadline)
            jobs = own_jobs(change.jobs)
            with self._changed:
                self._show(change, jobs, begun_at_seconds, begun_at)
        except ControllerUnreachableError as error:
            if error.slurm_code or time.monotonic() - begun_at_seconds > PATIENCE_SECONDS:
                failure = error
                self.note_silence()
            else:
                failure = self._failure
            raise
        except Exception as error:  # whatever it was: the board is not current any more, and its caller hears of it
            failure = error
            raise
        finally:
            with self._changed:
                self._failure = failure
                self._looking_since_seconds = None
                self._changed.notify_all()

    def _show(self, change: QueueChange, jobs: list[BoardJob], begun_at_seconds: float, begun_at: float) -> None:
        self._waiters.tell(self._picture.apply(change, jobs, begun_at))
        self._looked_at_seconds = begun_at_seconds
        self._look_cost_seconds = time.monotonic() - begun_at_seconds
        self._expected = [at_seconds for at_seconds in self._expected if at_seconds >= begun_at_seconds]
        if self._answering_since_seconds is None:
            self._answering_since_seconds = time.monotonic()

    # Keeping the board fresh for readers.

    def _wait_for_look(self, is_done: Callable[[], bool], deadline: Deadline) -> bool:
        if not self._look_gate.acquire(blocking=False):
            raise OverloadedError("Too many requests wait for a look at the queue. Send this one again.")
        try:
            self._wake()
            with self._changed:
                while not is_done() and self.is_current and not self._is_closed and deadline.remaining_seconds:
                    self._changed.wait(min(OVERDUE_CHECK_SECONDS, deadline.remaining_seconds))
                return is_done()
        finally:
            self._look_gate.release()

    def _wake(self) -> None:
        """Let the thread that looks find out that there is a reader."""
        with self._changed:
            self._changed.notify_all()

    def _keep_fresh(self) -> None:
        while not self._is_closed:
            tried_at_seconds = time.monotonic()
            deadline = Deadline.after(LOOK_SECONDS)
            try:
                with self._changed:
                    is_turn = self._may_look(deadline)
                if is_turn:
                    self._load(deadline)
                if self._min_job_age_seconds is None:
                    self._min_job_age_seconds = self._gateway.controller(deadline).min_job_age_seconds
            except BridgeError as error:
                log.debug("no look at the queue", extra={"detail": str(error)})
            except Exception:  # this thread has to go on, or the board shows the same for ever
                log.exception("bug")
            self._pause(tried_at_seconds)

    def _pause(self, tried_at_seconds: float) -> None:
        """Wait until the next look is due, after one that was begun then."""
        with self._changed:
            while not self._is_closed:
                begun_at_seconds = max(tried_at_seconds, self._looked_at_seconds)
                due_in_seconds = begun_at_seconds + self._interval_seconds() - time.monotonic()
                if due_in_seconds <= 0:
                    return
                self._changed.wait(due_in_seconds)

    def _interval_seconds(self) -> float:
        if self._wanted_at_seconds > self._looked_at_seconds:
            return INTERVAL_SECONDS
        is_read = not self._waiters.is_empty or time.monotonic() < self._read_at_seconds + INTEREST_SECONDS
        if is_read or self._failure or self._min_job_age_seconds is None:
            return self._busy_interval_seconds
        return max(self._busy_interval_seconds, min(IDLE_INTERVAL_MAX_SECONDS, self._min_job_age_seconds / 2))

    @property
    def _busy_interval_seconds(self) -> float:
        return max(INTERVAL_SECONDS, min(COST_SHARE * self._look_cost_seconds, INTERVAL_MAX_SECONDS))

    def _is_fresh(self) -> bool:
        slack_seconds = max(INTERVAL_SECONDS / 2, min(2 * self._look_cost_seconds, INTERVAL_MAX_SECONDS))
        return time.monotonic() - self._looked_at_seconds <= self._busy_interval_seconds + slack_seconds
