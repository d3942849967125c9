"""Which jobs ended badly, as the bridge remembers them, and in which groups. Slurm is not asked."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from bridge.core.deadline import Deadline
from bridge.jobs.failures.causes import cause_of
from bridge.jobs.status.job_view import Job, JobView
from bridge.jobs.status.lookup import JobLookup
from bridge.jobs.status.queue_cache import QueueCache


@dataclass(frozen=True, slots=True)
class FailureFilter:
    """Which failures are meant; what is `None` lets any pass. Times are in seconds since the epoch."""

    kind: str | None = None
    cause: str | None = None
    node: str | None = None
    thing_uuid: UUID | None = None
    since: float | None = None  # ended then or later
    until: float | None = None  # ended then or earlier

    def passes(self, job: Job, cause: str) -> bool:
        """Whether a job that ended for this cause is one of them."""
        ended_at = job.snapshot.end_time or 0
        return (
            (self.kind is None or job.kind == self.kind)
            and (self.cause is None or cause == self.cause)
            and (self.node is None or job.snapshot.nodes == self.node)
            and (self.thing_uuid is None or job.thing_uuid == self.thing_uuid)
            and (self.since is None or ended_at >= self.since)
            and (self.until is None or ended_at <= self.until)
        )


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Jobs of one kind that ended for one cause, the last to end first."""

    kind: str
    cause: str
    views: list[JobView]

    @property
    def runnable(self) -> list[JobView]:
        """Those that Slurm remembers, and can run again."""
        return [view for view in self.views if view.may_run_again]

    @property
    def by_node(self) -> list[tuple[str | None, int]]:
        """How many on each node, most first; `None`: those that never ran."""
        return Counter(view.job.snapshot.nodes for view in self.views).most_common()

    @property
    def by_thing(self) -> list[tuple[UUID, int]]:
        """How many of each thing, most first."""
        return Counter(view.job.thing_uuid for view in self.views).most_common()


@dataclass(frozen=True, slots=True)
class FoundFailures:
    """The groups, the largest first. Times are in seconds since the epoch."""

    groups: list[FailureGroup]
    complete_since: float  # what ended before may be missing
    looked_at: float  # when the queue stood like this


def by_end(view: JobView) -> tuple[int, int]:
    """Failures compare by it as they ended."""
    return view.job.snapshot.end_time or 0, view.job.order


class Failures:
    """Safe to use from many threads."""

    def __init__(self, cache: QueueCache, lookup: JobLookup) -> None:
        self._cache = cache
        self._lookup = lookup

    def find(self, wanted: FailureFilter, deadline: Deadline) -> FoundFailures:
        """The failures that `wanted` lets pass.

        Raises `ControllerUnreachableError` where the queue has never been seen.
        """
        self._lookup.wait_until_seen(deadline)
        groups: dict[tuple[str, str], list[JobView]] = {}
        for job, cause in self._failed():
            if wanted.passes(job, cause):
                groups.setdefault((job.kind, cause), []).append(self._cache.view_of(job))
        for views in groups.values():
            views.sort(key=by_end, reverse=True)
        largest_first = sorted(groups.items(), key=lambda group: len(group[1]), reverse=True)
        found = [FailureGroup(kind, cause, views) for (kind, cause), views in largest_first]
        return FoundFailures(found, self._cache.complete_since, self._cache.looked_at)

    def _failed(self) -> Iterator[tuple[Job, str]]:
        for job in self._cache.newest_first():
            cause = cause_of(job.snapshot)
            if cause is not None and not job.runs_again and not self._gave_way(job):
                yield job, cause

    def _gave_way(self, job: Job) -> bool:
        """Whether another job stays in its place: of the same request, or a quality control that came later."""
        if job.replaced_by is not None:
            return True
        if job.state != "CANCELLED" or job.snapshot.nodes is not None:
            return False
        others = (other for other in self._cache.with_key(job.key) if other.id != job.id)
        return any(other.metadata.digest == job.metadata.digest for other in others)
