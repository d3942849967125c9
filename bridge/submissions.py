"""Exactly one job a submission, whatever happens between the bridge and Slurm.

Every submission has a key before anything is sent: the client's own or one made for it. The key rides in the job's
comment, so the queue itself tells, to this bridge after a restart and to any other, whether a submission has its job.
"""

import logging
from dataclasses import dataclass

from bridge.aftermath import Aftermath
from bridge.backlog import Backlog
from bridge.comments import JobComment
from bridge.deadline import Deadline
from bridge.errors import (
    ControllerUnreachableError,
    IdempotencyMismatchError,
    OutcomeUnknownError,
    OverloadedError,
)
from bridge.keys import KeysAtWork
from bridge.slurm.board import Board
from bridge.slurm.gateway import Gateway
from bridge.slurm.messages import JobDescriptor
from bridge.slurm.picture import BoardJob

log = logging.getLogger(__name__)

LOOKUP_SECONDS = 3.0  # of a request's time are kept for asking the queue what became of an unanswered submission


@dataclass(frozen=True, slots=True)
class Submission:
    """What became of it. `is_replay`: the job was there already, by an earlier request with the same key."""

    job_id: str
    state: str
    request_id: str
    is_replay: bool


class Submissions:
    """Submits jobs, each once."""

    def __init__(
        self, gateway: Gateway, board: Board, keys: KeysAtWork, aftermath: Aftermath, backlog: Backlog
    ) -> None:
        self._gateway = gateway
        self._backlog = backlog
        self._board = board
        self._aftermath = aftermath
        self._keys = keys

    def submit(
        self, descriptor: JobDescriptor, comment: JobComment, deadline: Deadline, *, is_repeatable: bool
    ) -> Submission:
        """Submit the job unless its key has one.

        `is_repeatable`: the client chose the key and may have used it before. Raises `IdempotencyMismatchError` where
        it did so with another request, and what `Backlog.admit` and `Gateway.submit` raise.
        """
        if not is_repeatable:
            return self._submit(descriptor, comment, deadline, may_have_twin=False)
        with self._keys.at_work(comment.key, deadline):
            self._board.look(deadline)
            first = self._first(comment)
            return _replay(first) if first else self._submit(descriptor, comment, deadline, may_have_twin=True)

    def _submit(
        self, descriptor: JobDescriptor, comment: JobComment, deadline: Deadline, *, may_have_twin: bool
    ) -> Submission:
        self._backlog.admit(deadline)
        try:
            job_id = self._gateway.submit(descriptor, deadline.earlier_by(LOOKUP_SECONDS))
        except OutcomeUnknownError as error:
            self._aftermath.note_silence()
            return self._adopt(descriptor, comment, deadline, error)
        except ControllerUnreachableError:
            self._aftermath.note_silence()
            raise
        self._aftermath.note_accepted(descriptor, comment, job_id, may_have_twin=may_have_twin)
        return Submission(job_id, "PENDING", comment.request_id, is_replay=False)

    def _adopt(
        self, descriptor: JobDescriptor, comment: JobComment, deadline: Deadline, error: OutcomeUnknownError
    ) -> Submission:
        """The job of a submission that was not answered, if the queue has it."""
        try:
            self._board.look(deadline)
            first = self._first(comment)
        except (ControllerUnreachableError, OverloadedError):
            first = None
        if first is None:
            raise error.with_key(comment.key) from None
        log.info("adopted a job whose submission was not answered", extra={"job_id": first.snapshot.job_id})
        self._aftermath.note_accepted(descriptor, comment, first.snapshot.job_id)
        return Submission(first.snapshot.job_id, first.snapshot.state, comment.request_id, is_replay=False)

    def _first(self, comment: JobComment) -> BoardJob | None:
        jobs = self._board.with_key(comment.key)
        if not jobs:
            return None
        if jobs[0].comment.digest != comment.digest:
            raise IdempotencyMismatchError(
                "This Idempotency-Key was used for another request. Use a new key for a new request."
            )
        return next((job for job in jobs if job.snapshot.state != "CANCELLED"), jobs[0])


def _replay(job: BoardJob) -> Submission:
    return Submission(job.snapshot.job_id, job.snapshot.state, job.comment.request_id, is_replay=True)
