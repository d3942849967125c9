"""Cancelling a job, as often as a client asks for it."""

import logging

from bridge.aftermath import Aftermath
from bridge.deadline import Deadline
from bridge.errors import AlreadyFinishedError
from bridge.explanations import FINISHED_STATES
from bridge.inquiries import Inquiries
from bridge.slurm.board import Board
from bridge.slurm.gateway import Gateway
from bridge.slurm.picture import Sighting, Source

log = logging.getLogger(__name__)


class Cancellations:
    """Cancels jobs of the bridge; anybody else's are not found."""

    def __init__(self, gateway: Gateway, board: Board, inquiries: Inquiries, aftermath: Aftermath) -> None:
        self._gateway = gateway
        self._board = board
        self._inquiries = inquiries
        self._aftermath = aftermath

    def cancel(self, job_id: str, deadline: Deadline) -> Sighting:
        """Cancel the job; returns how it stood last. One that was cancelled before is not cancelled again.

        Raises `AlreadyFinishedError` where it ended otherwise, what `Inquiries.find` and `Gateway.cancel` raise.
        """
        job = self._inquiries.find(job_id, deadline)
        if _may_run(job):
            if self._gateway.cancel(job_id, deadline):
                self._aftermath.note_cancelled(job_id, job.job.comment.key)
                log.info("cancelled a job", extra={"job_id": job_id})
                return job
            self._board.look_again(deadline)  # it has ended a moment ago, or is about to
            job = self._inquiries.find(job_id, deadline)
            if _may_run(job):
                return job
        self._aftermath.note_cancelled(job_id, job.job.comment.key)  # where it is lost: it is not to come back
        if job.job.snapshot.state != "CANCELLED":
            raise AlreadyFinishedError("The job has ended, or is not known to Slurm any more: nothing to cancel.")
        return job


def _may_run(job: Sighting) -> bool:
    return job.source == Source.CONTROLLER and job.job.snapshot.state not in FINISHED_STATES
