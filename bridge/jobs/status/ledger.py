"""What was submitted a moment ago: jobs that the queue may not show yet, and that the controller may not have saved.

slurmctld saves its queue every five seconds; a crash forgets the jobs that it has accepted since.
"""

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field

from bridge.jobs.requests.metadata import JobMetadata
from bridge.jobs.status.job_view import Job, JobView, Origin
from bridge.slurm.job_ids import ids_of, index_of
from bridge.slurm.messages import JobDescriptor, JobSnapshot

SAVED_AFTER_SECONDS = 10.0  # of undisturbed operation a job is in slurmctld's saved state (SAVE_MAX_WAIT, 5 s)


@dataclass(slots=True, eq=False)
class AcceptedJob:
    """A job that the controller has accepted and may not have saved yet. Elements of an array are jobs each."""

    descriptor: JobDescriptor  # of the whole array
    metadata: JobMetadata
    job_id: str
    accepted_at_seconds: float  # on the monotonic clock
    booted_at: int | None  # when the controller that accepted it was started; `None`: not asked yet
    may_have_duplicate: bool  # another bridge may have been given the same key at the same time
    first: JobMetadata | None = None  # of the job that it follows, in the latest attempt
    request: tuple[str, str] = field(init=False)  # see `Job.request`

    def __post_init__(self) -> None:
        self.request = self.metadata.key_of(index_of(self.job_id)), self.metadata.digest


class SubmissionLedger:
    """Safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._expected_at_seconds: list[float] = []  # when jobs were sent that no look has counted yet
        self._unseen: dict[str, JobView] = {}  # by job id: accepted, and no look has begun since
        # By request, the oldest first. A plain dict that loses its first again and again is slow to tell the next one.
        self._unsaved: OrderedDict[tuple[str, str], AcceptedJob] = OrderedDict()

    def expect(self, jobs: int = 1) -> None:
        """So many jobs are about to be sent."""
        with self._lock:
            self._expected_at_seconds += [time.monotonic()] * jobs

    @property
    def expected(self) -> int:
        """How many jobs were about to be sent since the last look."""
        return len(self._expected_at_seconds)

    def accept(
        self,
        descriptor: JobDescriptor,
        metadata: JobMetadata,
        job_id: str,
        booted_at: int | None,
        *,
        may_have_duplicate: bool = False,
        first: JobMetadata | None = None,
    ) -> None:
        """The controller has accepted this job; `booted_at` is when that controller was started."""
        now, now_seconds = time.time(), time.monotonic()
        own_ids = ids_of(job_id, descriptor.indices)
        views = [JobView(Job(_pending(own_id, descriptor), metadata), Origin.CONTROLLER, now) for own_id in own_ids]
        jobs = [
            AcceptedJob(descriptor, metadata, own_id, now_seconds, booted_at, may_have_duplicate, first)
            for own_id in own_ids
        ]
        with self._lock:
            self._unseen |= {view.id: view for view in views}
            for job in jobs:
                self._unsaved[job.request] = job
                self._unsaved.move_to_end(job.request)

    def find(self, job_id: str) -> JobView | None:
        """The job, if it was accepted after the last look began."""
        return self._unseen.get(job_id)

    def unseen(self) -> list[JobView]:
        """The jobs that were accepted after the last look began."""
        with self._lock:
            return list(self._unseen.values())

    def settle(self, looked_at: float, looked_at_seconds: float) -> list[JobView]:
        """A look at the queue that began then shows all jobs accepted before: they are returned, and not kept.

        `looked_at` is in seconds since the epoch, `looked_at_seconds` the same moment on the monotonic clock.
        """
        with self._lock:
            self._expected_at_seconds = [at for at in self._expected_at_seconds if at >= looked_at_seconds]
            seen = [view for view in self._unseen.values() if view.seen_at < looked_at]
            for view in seen:
                del self._unseen[view.id]
        return seen

    def unsaved(self) -> list[AcceptedJob]:
        """The jobs that a crash of the controller may lose, oldest first."""
        with self._lock:
            return list(self._unsaved.values())

    def of_request(self, request: tuple[str, str]) -> AcceptedJob | None:
        """The job of a request (`Job.request`), if a crash of the controller may lose it."""
        return self._unsaved.get(request)

    @property
    def has_unsaved(self) -> bool:
        """Whether a crash of the controller may lose any."""
        return bool(self._unsaved)

    def withdraw(self, request: tuple[str, str]) -> None:
        """The job of a request (`Job.request`) is not to come back if it is lost: it was cancelled, or refused."""
        with self._lock:
            self._unsaved.pop(request, None)

    def postpone(self, job: AcceptedJob) -> None:
        """Keep this one for as long as if it had been accepted just now."""
        with self._lock:
            if self._unsaved.get(job.request) is job:
                job.accepted_at_seconds = time.monotonic()
                self._unsaved.move_to_end(job.request)

    def forget_saved(self, answering_since_seconds: float) -> None:
        """The controller has been answering since then: drop what it must have saved."""
        saved_until_seconds = time.monotonic() - SAVED_AFTER_SECONDS
        if answering_since_seconds > saved_until_seconds:
            return
        with self._lock:
            while self._unsaved:
                oldest = next(iter(self._unsaved.values()))
                if oldest.accepted_at_seconds > saved_until_seconds:
                    return
                del self._unsaved[oldest.request]


def _pending(job_id: str, descriptor: JobDescriptor) -> JobSnapshot:
    """How a job stands that was accepted just now."""
    return JobSnapshot(
        job_id=job_id,
        comment="",
        state="PENDING",
        state_reason=None,
        exit_code=0,
        signal=0,
        submit_time=int(time.time()),
        start_time=None,
        end_time=None,
        nodes=None,
        partition=descriptor.partition,
        restarts=0,
    )
