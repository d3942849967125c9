"""One look at the queue for all who ask, however many they are.

There are two kinds of callers. Readers want to know how a job stands: they read what the last look has shown, and a
thread looks again, once a second while there are readers and seldom while there are none. Submitters decide by the
queue whether a job is to be submitted: they need a look that was begun after they asked, and that can be trusted
(`ControllerTrust`).
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from bridge.core.change_waiters import ChangeWaiters
from bridge.core.concurrency_limit import ConcurrencyLimit
from bridge.core.deadline import Deadline
from bridge.core.errors import BridgeError, ControllerUnreachableError, OverloadedError
from bridge.jobs.status.controller_trust import ControllerTrust
from bridge.jobs.status.followed_jobs import QueueLoader
from bridge.jobs.status.job_changes import ChangeObserver, JobChange
from bridge.jobs.status.job_view import Job, JobView, Origin, RunsAgain
from bridge.jobs.status.ledger import SubmissionLedger
from bridge.jobs.status.look_interval import USUAL_PACE, Look, LookInterval, LookPace
from bridge.jobs.status.queue_snapshot import REMEMBERED_MAX, QueueSnapshot
from bridge.slurm.gateway import Gateway
from bridge.slurm.messages import ControllerFacts, QueueChange

log = logging.getLogger(__name__)

RETRY_PAUSE_SECONDS = 0.2  # after a look that failed
PATIENCE_SECONDS = 2.0  # a look that had less time than this and was not answered says nothing about the controller
LOOK_WAITERS_MAX = 32  # readers that wait for a look; it may take a moment where a reader asks for the first time
OVERDUE_CHECK_SECONDS = 0.25  # no event tells that a look takes too long
ABANDONED_CHECK_SECONDS = 0.9  # no event tells that a client has gone
FACTS_SECONDS = 60.0  # after so long the controller is asked again what it is: it may have been started anew
LOOK_SECONDS = 12.0  # longer than libslurm's own patience (MessageTimeout, 10 s)


class QueueCache:
    """Safe to use from many threads. `max_waiting` readers may wait for a job to change at a time."""

    def __init__(
        self,
        gateway: Gateway,
        ledger: SubmissionLedger,
        trust: ControllerTrust,
        *,
        max_waiting: int,
        pace: LookPace = USUAL_PACE,
        remembered_max: int = REMEMBERED_MAX,
        observers: Sequence[ChangeObserver] = (),
        runs_again: RunsAgain = lambda _snapshot, _metadata: False,
    ) -> None:
        self._gateway = gateway
        self._loader = QueueLoader(gateway, ledger, runs_again)
        self._ledger = ledger
        self._trust = trust
        self._observers = observers  # each hears of the changes of a look before the next one begins
        self._change_limit = ConcurrencyLimit(max_waiting, "wait for a job to change")
        self._look_limit = ConcurrencyLimit(LOOK_WAITERS_MAX, "wait for a look at the queue")
        self._changed = threading.Condition()
        self._snapshot = QueueSnapshot(remembered_max)
        self._waiters = ChangeWaiters()
        self._interval = LookInterval(pace)
        self._looking_since_seconds: float | None = None  # None: no look is being taken
        self._looked_at_seconds = float("-inf")  # when the last look that succeeded was begun
        self._failure: Exception | None = None  # of the last look
        self._min_job_age_seconds: int | None = None  # None: the controller has not said
        self._facts_at_seconds = float("-inf")  # when it last said; far back: to be asked
        self._is_closed = False
        self._thread = threading.Thread(target=self._keep_recent, name="queue-cache", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """Look no more, and let no reader wait."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self._waiters.notify_all_waiting()

    # For readers.

    def wait_until_recent(self, deadline: Deadline) -> None:
        """Let the cache be as recent as it is kept for readers, where the controller answers."""
        self._interval.note_reader()
        if not self._is_recent():
            with suppress(OverloadedError):
                self._wait_for_look(self._is_recent, deadline)

    def wait_for_look(self, deadline: Deadline) -> None:
        """Wait for a look that is begun after this call.

        Raises `ControllerUnreachableError` where there was none by `deadline`, `OverloadedError` where too many wait.
        """
        asked_at_seconds = self._interval.note_look_wanted()
        if not self._wait_for_look(lambda: self._looked_at_seconds >= asked_at_seconds, deadline):
            raise ControllerUnreachableError("The Slurm controller, which may know this, does not answer. Ask again.")

    def find(self, job_id: str) -> JobView | None:
        """How the job stands, as far as the bridge knows."""
        with self._changed:
            unseen = self._ledger.find(job_id)
            if unseen is not None and self._snapshot.lacks(unseen):
                return unseen
            return self._snapshot.in_queue(job_id) or self._snapshot.remembered(job_id)

    def view_of(self, job: Job) -> JobView:
        """How a job of `newest_first` stood when that was called, even if it stands otherwise by now."""
        view = self.find(job.id)
        return view if view and view.job is job else JobView(job, Origin.CONTROLLER, self.looked_at)

    def newest_first(self) -> list[Job]:
        """All jobs that the bridge knows. The list is not to be changed."""
        with self._changed:
            return self._snapshot.newest_first(self._ledger.unseen())

    def wait_for_change(
        self, job_id: str, state: str, deadline: Deadline, is_abandoned: Callable[[], bool] = lambda: False
    ) -> bool:
        """Wait until the job is in another state than `state`, or is over, or `deadline` has come, or `is_abandoned`.

        False, at once, where too many wait already, or the cache is closed.
        """
        try:
            with self._change_limit, self._waiters.waiting_for(job_id) as event:
                self._wake()
                while not self._is_closed:
                    event.clear()
                    view = self.find(job_id)
                    has_changed = view is None or not view.may_change or view.state != state
                    if has_changed or not deadline.remaining_seconds or is_abandoned():
                        return True
                    if not self._is_closed:  # since the event was cleared
                        event.wait(min(deadline.remaining_seconds, ABANDONED_CHECK_SECONDS))
        except OverloadedError:
            pass
        return False

    @property
    def looked_at(self) -> float:
        """When the queue stood as it is cached, in seconds since the epoch; 0 where it was never seen."""
        return self._snapshot.looked_at

    @property
    def complete_since(self) -> float:
        """Since when jobs that have left the queue are all remembered, in seconds since the epoch."""
        return self._snapshot.complete_since

    @property
    def waiting_clients(self) -> int:
        """How many readers wait for a job to change."""
        return self._waiters.count

    @property
    def min_job_age_seconds(self) -> int:
        """For how long the controller remembers a job that has ended; 0 while it has not said so."""
        return self._min_job_age_seconds or 0

    @property
    def is_current(self) -> bool:
        """Whether the controller answered the last time, and answers now."""
        since = self._looking_since_seconds
        patience_seconds = max(PATIENCE_SECONDS, self._interval.usual_look_seconds)
        is_overdue = since is not None and time.monotonic() - since > patience_seconds
        return self._failure is None and not is_overdue

    def note_controller(self, facts: ControllerFacts) -> None:
        """The controller says what it is: its MinJobAge bounds the time from one look to the next."""
        self._trust.limits_requests = facts.rpc_limit is not None
        with self._changed:
            self._facts_at_seconds = time.monotonic()
            self._min_job_age_seconds = facts.min_job_age_seconds
            self._changed.notify_all()

    def reconsider(self, job_id: str) -> None:
        """Decide anew with the next look whether this job runs again."""
        self._loader.reconsider(job_id)

    # For submitters.

    def take_trusted_look(self, deadline: Deadline, *, max_age_seconds: float = 0.0) -> None:
        """Wait for a trusted look that was begun after this call, or at most `max_age_seconds` before it.

        Raises `ControllerUnreachableError` where that was not possible by `deadline`, `OverloadedError` where the
        reader was busy until then.
        """
        asked_at_seconds = time.monotonic() - max_age_seconds
        self._look_until(
            lambda: self._has_trusted_look(asked_at_seconds), lambda: self._is_turn_for_trusted_look(deadline), deadline
        )

    def take_look(self, deadline: Deadline) -> None:
        """Wait for a look that was begun after this call, trusted or not. Raises what `take_trusted_look` does."""
        asked_at_seconds = time.monotonic()
        self._look_until(lambda: self._looked_at_seconds >= asked_at_seconds, lambda: self._is_turn(deadline), deadline)

    @property
    def pending(self) -> int:
        """How many jobs wait: as of the last look, and those submitted since."""
        return self._snapshot.pending + self._ledger.expected

    def with_key(self, key: str) -> list[Job]:
        """The jobs that have `key` in their metadata, in the queue or seen to end, oldest first."""
        with self._changed:
            return self._snapshot.with_key(key)

    def lost_with_key(self, key: str) -> list[JobView]:
        """The jobs that have `key` and have left the queue without having been seen to end, as they were seen last."""
        with self._changed:
            return self._snapshot.lost_with_key(key)

    def sharing_a_key(self) -> list[list[Job]]:
        """The jobs of each key that has more than one, oldest first."""
        with self._changed:
            return [self._snapshot.with_key(key) for key in self._snapshot.shared_keys()]

    def _look_until(self, is_done: Callable[[], bool], is_turn: Callable[[], bool], deadline: Deadline) -> None:
        error = ControllerUnreachableError("The Slurm controller did not answer in time. Ask again later.")
        while not is_done():
            if not deadline.remaining_seconds:
                raise error
            try:
                if is_turn():
                    self._look(deadline)
            except ControllerUnreachableError as failure:
                error = failure
                time.sleep(min(RETRY_PAUSE_SECONDS, deadline.remaining_seconds))

    def _has_trusted_look(self, asked_at_seconds: float) -> bool:
        with self._changed:
            is_new = self._looked_at_seconds >= asked_at_seconds
            return is_new and self._trust.has_settled_before(self._looked_at_seconds)

    def _is_turn_for_trusted_look(self, deadline: Deadline) -> bool:
        """True where the caller is to look now; False after a wait that may have changed something."""
        with self._changed:
            settles_in_seconds = self._trust.settles_in_seconds()
            if settles_in_seconds:
                self._changed.wait(min(settles_in_seconds, deadline.remaining_seconds))
                return False
            return self._is_turn(deadline)

    # The looks themselves.

    def _is_turn(self, deadline: Deadline) -> bool:
        """True where the caller is to look now; False after a wait for another look."""
        with self._changed:
            if self._looking_since_seconds is not None:
                self._changed.wait(deadline.remaining_seconds)
                return False
            self._looking_since_seconds = time.monotonic()
            return True

    def _look(self, deadline: Deadline) -> None:
        look = Look(time.monotonic(), time.time())
        failure: Exception | None = None
        try:
            change, jobs = self._loader.load(self._snapshot, deadline)
            with self._changed:
                changes = self._take_in(change, jobs, look)
            for observe in self._observers:
                observe(changes)
        except ControllerUnreachableError as error:
            says_something = error.slurm_code or time.monotonic() - look.at_seconds > PATIENCE_SECONDS
            failure = error if says_something else self._failure
            raise
        except Exception as error:  # whatever it was: the cache is not current any more, and its caller hears of it
            failure = error
            raise
        finally:
            self._tell_of_silence(failure)
            with self._changed:
                self._failure = failure
                if failure is not None:  # the controller may come back with other settings
                    self._facts_at_seconds = float("-inf")
                self._looking_since_seconds = None
                self._changed.notify_all()

    def _tell_of_silence(self, failure: Exception | None) -> None:
        """One line when looks begin to fail, and one when they succeed again."""
        if failure is not None and self._failure is None:
            log.warning("the controller does not answer, what is told of jobs is old", extra={"detail": str(failure)})
        elif failure is None and self._failure is not None:
            log.warning("the controller answers again")

    def _take_in(self, change: QueueChange, jobs: list[Job], look: Look) -> list[JobChange]:
        changes = self._snapshot.apply(change, jobs, look.at)
        accepted_before = self._ledger.settle(look.at, look.at_seconds)
        for view in accepted_before:
            self._snapshot.miss(view)
        changed_ids = [job.id for change in changes for job in (change.before, change.after) if job]
        self._waiters.notify([*changed_ids, *(view.id for view in accepted_before)])
        self._looked_at_seconds = look.at_seconds
        self._interval.note_look(time.monotonic() - look.at_seconds)
        return changes

    # Keeping the cache recent for readers.

    def _wait_for_look(self, is_done: Callable[[], bool], deadline: Deadline) -> bool:
        with self._look_limit:
            self._wake()
            with self._changed:
                while not is_done() and self.is_current and not self._is_closed and deadline.remaining_seconds:
                    self._changed.wait(min(OVERDUE_CHECK_SECONDS, deadline.remaining_seconds))
                return is_done()

    def _wake(self) -> None:
        """Let the thread that looks find out that there is a reader."""
        with self._changed:
            self._changed.notify_all()

    def _keep_recent(self) -> None:
        while not self._is_closed:
            tried_at_seconds = time.monotonic()
            deadline = Deadline.after(LOOK_SECONDS)
            try:
                if self._is_turn(deadline):
                    self._look(deadline)
                if time.monotonic() - self._facts_at_seconds > FACTS_SECONDS:
                    self.note_controller(self._gateway.controller(deadline))
            except BridgeError as error:
                log.debug("no look at the queue", extra={"detail": str(error)})
            except Exception:  # this thread has to go on, or the cache shows the same for ever
                log.exception("bug")
            self._pause(tried_at_seconds)

    def _pause(self, tried_at_seconds: float) -> None:
        """Wait until the next look is due, after one that was begun then."""
        with self._changed:
            while not self._is_closed:
                begun_at_seconds = max(tried_at_seconds, self._looked_at_seconds)
                due_in_seconds = begun_at_seconds + self._next_interval_seconds() - time.monotonic()
                if due_in_seconds <= 0:
                    return
                self._changed.wait(due_in_seconds)

    def _next_interval_seconds(self) -> float:
        is_busy = not self._waiters.is_empty or self._failure is not None or self._min_job_age_seconds is None
        return self._interval.next_seconds(
            self._looked_at_seconds, is_busy=is_busy, min_job_age_seconds=self.min_job_age_seconds
        )

    def _is_recent(self) -> bool:
        return time.monotonic() - self._looked_at_seconds <= self._interval.recent_seconds
