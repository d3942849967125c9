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

    @property
    def is_start(self) -> bool:
        """Whether it was seen to wait and has a node now."""
        return (
            self.before is not None
            and self.after is not None
            and self.before.snapshot.nodes is None
            and self.after.snapshot.nodes is not None
        )


ChangeObserver = Callable[[Sequence[JobChange]], None]
