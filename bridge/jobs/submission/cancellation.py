"""Cancelling jobs, as often as a client asks for it."""

import logging
from collections.abc import Callable, Sequence

from bridge.core.deadline import Deadline
from bridge.core.errors import AlreadyFinishedError, BridgeError
from bridge.jobs.status.job_view import Job, JobView
from bridge.jobs.status.ledger import SubmissionLedger
from bridge.jobs.status.lookup import JobLookup
from bridge.jobs.submission.arrays import by_array, cancellation_of
from bridge.slurm.gateway import Gateway

log = logging.getLogger(__name__)


class JobCanceller:
    """Cancels jobs of the bridge; jobs of others are not found."""

    def __init__(
        self,
        gateway: Gateway,
        lookup: JobLookup,
        ledger: SubmissionLedger,
        note_cancelled: Callable[[str], None],
    ) -> None:
        self._gateway = gateway
        self._lookup = lookup
        self._ledger = ledger
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
