"""What a look at the queue has shown to be different, for those parts that tell of it: figures and the journal."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bridge.jobs.status.job_view import Job


@dataclass(frozen=True, slots=True)
class JobChange:
    """A job as it stood in the queue until now, and as it stands; `None` where it was not, or is not there.

    `is_end`: it has ended, and that was not seen before. Of jobs that ended before the bridge began to look it is
    false, so that each end is told of once by a bridge that runs.
    """

    before: Job | None
    after: Job | None
    is_end: bool = False

    @property
    def is_unseen_end(self) -> bool:
        """Whether it has left the queue, and how it ended was not seen."""
        return self.after is None and self.before is not None and not self.before.has_ended

    def is_start_since(self, at: float) -> bool:
        """Whether it has begun: it was seen to wait, or is seen first, and has begun since `at` or ended.

        `at` is in seconds since the epoch.
        """
        if self.after is None or self.after.snapshot.nodes is None:
            return False
        if self.before is not None:
            return self.before.snapshot.nodes is None
        return self.is_end or (self.after.snapshot.start_time or 0) >= int(at)


ChangeObserver = Callable[[Sequence[JobChange]], None]
