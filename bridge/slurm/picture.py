"""What the board shows: the bridge's own jobs, as the controller last described them and as they are remembered."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from sys import intern

from bridge.comments import JobComment
from bridge.explanations import FINISHED_STATES
from bridge.job_ids import job_order
from bridge.slurm.messages import JobDescriptor, JobSnapshot, QueueChange

REMEMBERED_MAX = 20_000  # jobs; some 1 kB each
REMEMBERED_SECONDS = 24 * 3600.0


class Source(StrEnum):
    """Who says how a job stands."""

    CONTROLLER = "controller"
    ACCOUNTING = "accounting"
    MEMORY = "memory"  # the controller has forgotten the job, the bridge has not


class BoardJob:
    """A job of the bridge, as it stood at one moment."""

    __slots__ = ("comment", "order", "snapshot")

    def __init__(self, snapshot: JobSnapshot, comment: JobComment) -> None:
        self.snapshot = snapshot
        self.comment = comment
        self.order = job_order(snapshot.job_id)  # jobs compare by it as they were submitted

    @property
    def is_array_element(self) -> bool:
        """Whether it shares its comment with others, that of its array."""
        return "_" in self.snapshot.job_id


@dataclass(frozen=True, slots=True)
class Sighting:
    """How a job stands, who says so, and when that was said, in seconds since the epoch."""

    job: BoardJob
    source: Source
    seen_at: float

    @property
    def is_lost(self) -> bool:
        """Whether the job left the queue without having been seen to end."""
        return self.source is Source.MEMORY and self.job.snapshot.state not in FINISHED_STATES


def own_jobs(snapshots: Iterable[JobSnapshot]) -> list[BoardJob]:
    """Those of the jobs that carry a comment of the bridge."""
    pairs = ((snapshot, JobComment.from_json(snapshot.comment)) for snapshot in snapshots)
    return [BoardJob(_slim(snapshot), comment) for snapshot, comment in pairs if comment is not None]


def _slim(snapshot: JobSnapshot) -> JobSnapshot:
    """As it is kept for many jobs: without the text of its comment, and with words that all jobs share."""
    return snapshot._replace(
        comment="",
        state=intern(snapshot.state),
        state_reason=snapshot.state_reason and intern(snapshot.state_reason),
        nodes=snapshot.nodes and intern(snapshot.nodes),
        partition=snapshot.partition and intern(snapshot.partition),
    )


class Picture:
    """The jobs by id and by key. For one thread at a time."""

    def __init__(self) -> None:
        self.looked_at = 0.0  # when the queue stood like this, in seconds since the epoch
        self.pending = 0  # jobs that waited then
        self._jobs: dict[str, BoardJob] = {}
        self._ids_by_key: dict[str, tuple[str, ...]] = {}  # a set takes four times the memory
        self._submitted: dict[str, Sighting] = {}  # accepted, and not seen in the queue yet
        self._remembered: dict[str, Sighting] = {}  # not in the queue any more, those that left first come first
        self._newest_first: list[BoardJob] | None = None  # None: to be sorted again

    def add(self, job_id: str, descriptor: JobDescriptor, comment: JobComment) -> None:
        """The controller has just accepted this job."""
        now = time.time()
        snapshot = JobSnapshot(
            job_id=job_id,
            comment="",
            state="PENDING",
            state_reason=None,
            exit_code=0,
            signal=0,
            submit_time=int(now),
            start_time=None,
            end_time=None,
            nodes=None,
            partition=descriptor.partition,
            restarts=0,
        )
        self._submitted[job_id] = Sighting(BoardJob(snapshot, comment), Source.CONTROLLER, now)
        self._newest_first = None

    def find(self, job_id: str) -> Sighting | None:
        """How the job stands; None where it has never been seen, or was forgotten."""
        job = self._jobs.get(job_id)
        if job is not None:
            return Sighting(job, Source.CONTROLLER, self.looked_at)
        return self._submitted.get(job_id) or self._remembered.get(job_id)

    def sighting_of(self, job: BoardJob) -> Sighting:
        """The sighting that shows the job like this, even if it stands otherwise by now."""
        sighting = self.find(job.snapshot.job_id)
        return sighting if sighting and sighting.job is job else Sighting(job, Source.CONTROLLER, self.looked_at)

    def newest_first(self) -> list[BoardJob]:
        """All jobs. The list is not to be changed."""
        if self._newest_first is None:
            submitted = (sighting.job for job_id, sighting in self._submitted.items() if job_id not in self._jobs)
            remembered = (sighting.job for sighting in self._remembered.values())
            jobs = [*remembered, *self._jobs.values(), *submitted]
            self._newest_first = sorted(jobs, key=lambda job: job.order, reverse=True)
        return self._newest_first

    def with_key(self, key: str) -> list[BoardJob]:
        """The jobs in the queue that were submitted with `key`, oldest first; array elements are not among them."""
        jobs = [self._jobs[job_id] for job_id in self._ids_by_key.get(key, ())]
        return sorted(jobs, key=lambda job: job.order)

    def shared_keys(self) -> list[str]:
        """The keys that more than one job in the queue has."""
        return [key for key, job_ids in self._ids_by_key.items() if len(job_ids) > 1]

    def apply(self, change: QueueChange, jobs: list[BoardJob], looked_at: float) -> list[str]:
        """Bring it up to a look that was begun at `looked_at`. `jobs` are the bridge's own of those in `change`.

        Returns the ids of the jobs that have changed, come or gone.
        """
        gone = self._jobs.keys() - {job.snapshot.job_id for job in jobs} if change.is_full else change.gone
        for job_id in gone:
            self._remember(job_id)
        for job in jobs:
            self._put(job)
        self.looked_at = looked_at
        lost = [job_id for job_id, sighting in self._submitted.items() if sighting.seen_at < looked_at]
        for job_id in lost:
            sighting = self._submitted.pop(job_id)
            if job_id not in self._jobs:
                self._remembered[job_id] = Sighting(sighting.job, Source.MEMORY, sighting.seen_at)
        self._forget_old()
        changed = [*(job.snapshot.job_id for job in jobs), *gone, *lost]
        if changed:
            self._newest_first = None
        return changed

    def _put(self, job: BoardJob) -> None:
        job_id = job.snapshot.job_id
        self._take_off(job_id)  # an id may come again with another job, after a controller's crash
        self._remembered.pop(job_id, None)
        self._jobs[job_id] = job
        self.pending += job.snapshot.state == "PENDING"
        if not job.is_array_element:
            self._ids_by_key[job.comment.key] = (*self._ids_by_key.get(job.comment.key, ()), job_id)

    def _remember(self, job_id: str) -> None:
        job = self._take_off(job_id)
        if job is not None:
            self._remembered[job_id] = Sighting(job, Source.MEMORY, self.looked_at)

    def _take_off(self, job_id: str) -> BoardJob | None:
        job = self._jobs.pop(job_id, None)
        if job is None:
            return None
        self.pending -= job.snapshot.state == "PENDING"
        if not job.is_array_element:
            others = tuple(other for other in self._ids_by_key.pop(job.comment.key) if other != job_id)
            if others:
                self._ids_by_key[job.comment.key] = others
        return job

    def _forget_old(self) -> None:
        oldest_seen_at = self.looked_at - REMEMBERED_SECONDS
        while self._remembered:
            job_id, sighting = next(iter(self._remembered.items()))
            if len(self._remembered) <= REMEMBERED_MAX and sighting.seen_at >= oldest_seen_at:
                return
            del self._remembered[job_id]
