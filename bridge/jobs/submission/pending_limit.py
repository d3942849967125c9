"""How many jobs of the bridge may wait in Slurm's queue at once, so that a runaway pipeline does not fill it."""

from bridge.core.deadline import Deadline
from bridge.core.errors import TooManyRequestsError
from bridge.jobs.status.ledger import SubmissionLedger
from bridge.jobs.status.queue_cache import QueueCache

COUNT_AGE_SECONDS = 1.0  # a look at the queue a second at most, however many jobs are submitted


class PendingLimit:
    """Counts the jobs that wait, those of other bridges too. `limit` None: any number may."""

    def __init__(
        self,
        cache: QueueCache,
        ledger: SubmissionLedger,
        limit: int | None,
        *,
        count_age_seconds: float = COUNT_AGE_SECONDS,
    ) -> None:
        self._cache = cache
        self._ledger = ledger
        self._limit = limit
        self._count_age_seconds = count_age_seconds

    def admit(self, deadline: Deadline, jobs: int = 1) -> None:
        """Count so many more.

        Raises `TooManyRequestsError` where `limit` jobs wait already, and what `QueueCache.take_trusted_look` raises.
        Requests that come at the same time may exceed the limit by their jobs.
        """
        if self._limit is None:
            return
        self._cache.take_trusted_look(deadline, max_age_seconds=self._count_age_seconds)
        if self._cache.pending + jobs > self._limit:
            raise TooManyRequestsError(
                f"{self._limit} jobs of the bridge may wait in Slurm's queue (`max_pending_jobs`): there is no room "
                f"for {jobs} more. Send the request again when some have started."
            )
        self._ledger.expect(jobs)
