"""Cancelling a job, as often as a client asks for it."""

import logging

from bridge.core.deadline import Deadline
from bridge.core.errors import AlreadyFinishedError
from bridge.jobs.status.job_view import JobView
from bridge.jobs.status.ledger import SubmissionLedger
from bridge.jobs.status.lookup import JobLookup
from bridge.slurm.gateway import Gateway

log = logging.getLogger(__name__)


class JobCanceller:
    """Cancels jobs of the bridge; jobs of others are not found."""

    def __init__(self, gateway: Gateway, lookup: JobLookup, ledger: SubmissionLedger) -> None:
        self._gateway = gateway
        self._lookup = lookup
        self._ledger = ledger

    def cancel(self, job_id: str, deadline: Deadline) -> JobView:
        """Cancel the job; returns how it stood last. A job that was cancelled before is not cancelled again.

        Raises `AlreadyFinishedError` where it ended otherwise, what `JobLookup.find` and `Gateway.cancel` raise.
        """
        asked = self._lookup.find(job_id, deadline)
        self._ledger.withdraw(asked.job.request)  # where it is lost: it is not to come back
        view = asked
        if view.may_be_cancelled:
            if self._gateway.cancel(view.job.cancellation(), deadline):
                log.info("cancelled a job", extra={"job_id": job_id})
                return view
            view = self._lookup.find_in_next_look(job_id, deadline)  # it has ended a moment ago, or is about to
            if view.may_be_cancelled and view.job.metadata == asked.job.metadata:
                return view
        if view.state != "CANCELLED":
            raise AlreadyFinishedError("The job has ended, or is not known to Slurm any more: nothing to cancel.")
        return view
