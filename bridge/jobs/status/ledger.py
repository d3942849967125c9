"""What was submitted a moment ago: jobs that the queue may not show yet, and that the controller may not have saved.

slurmctld saves its queue every five seconds; a crash forgets the jobs that it has accepted since.
"""

import threading
import time
from dataclasses import dataclass

from bridge.jobs.requests.metadata import JobMetadata
from bridge.jobs.status.job_view import Job, JobView, Origin
from bridge.slurm.messages import JobDescriptor, JobSnapshot

SAVED_AFTER_SECONDS = 10.0  # of undisturbed operation a job is in slurmctld's saved state (SAVE_MAX_WAIT, 5 s)


@dataclass(slots=True, eq=False)
class AcceptedJob:
    """A job that the controller has accepted and may not have saved yet."""

    descriptor: JobDescriptor
    metadata: JobMetadata
    job_id: str
    accepted_at_seconds: float  # on the monotonic clock
    booted_at: int | None  # when the controller that accepted it was started; `None`: not asked yet
    may_have_duplicate: bool  # another bridge may have been given the same key at the same time

    @property
    def request(self) -> tuple[str, str]:
        """Key and digest: two requests may have one key, where two bridges get them at the same time."""
        return _request_of(self.metadata)


class SubmissionLedger:
    """Safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._expected_at_seconds: list[float] = []  # when submissions began that no look has counted yet
        self._unseen: dict[str, JobView] = {}  # by job id: accepted, and no look has begun since
        self._unsaved: dict[tuple[str, str], AcceptedJob] = {}  # by request, the oldest first

    def expect(self) -> None:
        """A submission is about to be sent."""
        with self._lock:
            self._expected_at_seconds.append(time.monotonic())

    @property
    def expected(self) -> int:
        """How many submissions began since the last look."""
        return len(self._expected_at_seconds)

    def accept(
        self,
        descriptor: JobDescriptor,
        metadata: JobMetadata,
        job_id: str,
        booted_at: int | None,
        *,
        may_have_duplicate: bool = False,
    ) -> None:
        """The controller has accepted this job; `booted_at` is when that controller was started."""
        view = JobView(Job(_pending(job_id, descriptor), metadata), Origin.CONTROLLER, time.time())
        accepted = AcceptedJob(descriptor, metadata, job_id, time.monotonic(), booted_at, may_have_duplicate)
        with self._lock:
            self._unseen[job_id] = view
            self._unsaved.pop(accepted.request, None)  # so that it goes to the end
            self._unsaved[accepted.request] = accepted

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

    @property
    def has_unsaved(self) -> bool:
        """Whether a crash of the controller may lose any."""
        return bool(self._unsaved)

    def withdraw(self, metadata: JobMetadata) -> None:
        """The job is not to come back if the controller loses it: it was cancelled, or refused."""
        with self._lock:
            self._unsaved.pop(_request_of(metadata), None)

    def postpone(self, job: AcceptedJob) -> None:
        """Keep this one for as long as if it had been accepted just now."""
        with self._lock:
            if self._unsaved.get(job.request) is job:
                job.accepted_at_seconds = time.monotonic()
                self._unsaved[job.request] = self._unsaved.pop(job.request)

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


def _request_of(metadata: JobMetadata) -> tuple[str, str]:
    return metadata.key, metadata.digest


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
