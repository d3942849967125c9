"""How many jobs of the bridge may wait in Slurm's queue at once, so that a runaway pipeline does not fill it."""

from bridge.deadline import Deadline
from bridge.errors import TooManyRequestsError
from bridge.slurm.board import Board

COUNT_AGE_SECONDS = 1.0  # a look at the queue a second at most, however many jobs are submitted


class Backlog:
    """Counts the jobs that wait, those of other bridges too. `limit` None: any number may."""

    def __init__(self, board: Board, limit: int | None) -> None:
        self._board = board
        self._limit = limit

    def admit(self, deadline: Deadline) -> None:
        """Count one more.

        Raises `TooManyRequestsError` where `limit` jobs wait already, and what `Board.look` raises. Requests that come
        at the same time may exceed the limit by their number.
        """
        if self._limit is None:
            return
        self._board.look(deadline, max_age_seconds=COUNT_AGE_SECONDS)
        if self._board.pending >= self._limit:
            raise TooManyRequestsError(
                f"{self._limit} jobs of the bridge wait in Slurm's queue (`max_pending_jobs`). "
                "Send the request again when some have started."
            )
        self._board.expect_job()
