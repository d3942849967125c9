"""Cancelling jobs, as often as a client asks for it, and again where a controller that has crashed forgot it."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bridge.core.deadline import Deadline
from bridge.core.errors import AlreadyFinishedError, BridgeError
from bridge.jobs.status.controller_trust import ControllerTrust
from bridge.jobs.status.job_view import Job, JobView
from bridge.jobs.status.ledger import SAVED_AFTER_SECONDS, SubmissionLedger
from bridge.jobs.status.lookup import JobLookup
from bridge.jobs.submission.arrays import by_array, cancellation_of
from bridge.slurm.gateway import Gateway

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class CancelledJob:
    """A job that the controller has cancelled for a client, which it may not have saved yet."""

    job: Job
    at_seconds: float  # on the monotonic clock
    booted_at: int | None  # when that controller was started; `None`: not asked yet


class RecentCancellations:
    """What a crash of the controller may undo. Safe to use from many threads."""

    def __init__(self, trust: ControllerTrust) -> None:
        self._trust = trust
        self._lock = threading.Lock()
        self._jobs: dict[str, CancelledJob] = {}  # by job id
        self.on_new: Callable[[], None] = lambda: None

    def __bool__(self) -> bool:
        return bool(self._jobs)

    def note(self, jobs: Sequence[Job]) -> None:
        """The controller has cancelled these."""
        now_seconds, booted_at = time.monotonic(), self._trust.booted_at
        with self._lock:
            self._jobs |= {job.id: CancelledJob(job, now_seconds, booted_at) for job in jobs}
        self.on_new()

    def in_danger(self) -> list[CancelledJob]:
        """Those that another controller has cancelled than the one that runs now."""
        with self._lock:
            for cancelled in self._jobs.values():
                cancelled.booted_at = cancelled.booted_at or self._trust.booted_at
            return [cancelled for cancelled in self._jobs.values() if cancelled.booted_at != self._trust.booted_at]

    def forget_saved(self, answering_since_seconds: float) -> None:
        """The controller has been answering since then: drop what it must have saved."""
        saved_until_seconds = time.monotonic() - SAVED_AFTER_SECONDS
        if answering_since_seconds > saved_until_seconds:
            return
        with self._lock:
            self._jobs = {
                job_id: cancelled
                for job_id, cancelled in self._jobs.items()
                if cancelled.at_seconds > saved_until_seconds
            }


class JobCanceller:
    """Cancels jobs of the bridge; jobs of others are not found."""

    def __init__(
        self,
        gateway: Gateway,
        lookup: JobLookup,
        ledger: SubmissionLedger,
        recent: RecentCancellations,
        note_cancelled: Callable[[str], None],
    ) -> None:
        self._gateway = gateway
        self._lookup = lookup
        self._ledger = ledger
        self._recent = recent
        self._note_cancelled = note_cancelled

    def cancel(self, job_id: str, deadline: Deadline) -> JobView:
        """Cancel the job; returns how it stood last. A job that was cancelled before is not cancelled again.

        Raises `AlreadyFinishedError` where it ended otherwise, what `JobLookup.find` and `Gateway.cancel` raise.
        """
        asked = self._lookup.find(job_id, deadline)
        self._withdraw(asked.job)
        view = asked
        if view.may_be_cancelled:
            if self._gateway.cancel(view.job.cancellation(), deadline):
                self._recent.note([view.job])
                log.info("cancelled a job", extra={"job_id": job_id})
                return view
            view = self._lookup.find_in_next_look(job_id, deadline)  # it has ended a moment ago, or is about to
            if view.may_be_cancelled and view.job.metadata == asked.job.metadata:
                return self.cancel(job_id, deadline) if asked.job.runs_again else view
        if view.state != "CANCELLED":
            raise AlreadyFinishedError("The job has ended, or is not known to Slurm any more: nothing to cancel.")
        return view

    def cancel_all(self, job_ids: Sequence[str], deadline: Deadline) -> dict[str, JobView | BridgeError]:
        """What became of each, as `cancel` tells it: how it stood last, or what it raises.

        Elements of one array cost the controller one request.
        """
        answers = self._lookup.find_all(job_ids, deadline)
        views = [view for view in answers.values() if isinstance(view, JobView) and view.may_be_cancelled]
        for view in views:
            self._withdraw(view.job)
        cancelled: set[str] = set()
        for jobs in by_array([view.job for view in views], lambda job: job.id):
            if self._are_taken(jobs, deadline):
                self._recent.note(jobs)
                cancelled.update(job.id for job in jobs)
        for job_id in answers.keys() - cancelled:
            if isinstance(answers[job_id], JobView):
                answers[job_id] = self._cancel_by_itself(job_id, deadline)
        log.info("cancelled jobs", extra={"jobs": len(cancelled)})
        return answers

    def _withdraw(self, job: Job) -> None:
        """Where the controller forgets the job or its latest run, it is not to come back."""
        self._ledger.withdraw(job.request)
        self._note_cancelled(job.id)

    def _are_taken(self, jobs: list[Job], deadline: Deadline) -> bool:
        try:
            return self._gateway.cancel(cancellation_of(jobs), deadline)
        except BridgeError:  # each is asked for once more, and tells of it
            return False

    def _cancel_by_itself(self, job_id: str, deadline: Deadline) -> JobView | BridgeError:
        try:
            return self.cancel(job_id, deadline)
        except BridgeError as error:
            return error
