"""What accounting remembers of the bridge's jobs. Its answers are cached, and so is that it did not answer."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass

from bridge.core.concurrency_limit import ConcurrencyLimit
from bridge.core.deadline import Deadline
from bridge.core.errors import BridgeError
from bridge.jobs.status.job_view import Job, own_jobs
from bridge.slurm.gateway import Gateway

FIND_SECONDS = 5.0  # one job takes some milliseconds where the database is well
CALLERS_MAX = 8  # a database that hangs costs no more threads than this
KEPT_MAX = 10_000  # answers about a job each
FOUND_KEPT_SECONDS = 3600.0  # a job that has ended; an id may come again, after a controller's crash
KEPT_SECONDS = 10.0  # that there is no such job, and that there was no answer
LIST_KEPT_SECONDS = 60.0  # for the pages after the first: accounting takes half a second for a thousand jobs


@dataclass(frozen=True, slots=True)
class _List:
    since: int
    read_at_seconds: float
    jobs: list[Job]


class PastJobs:
    """Safe to use from many threads. On a cluster without accounting it is empty."""

    def __init__(self, gateway: Gateway, *, kept_seconds: float = KEPT_SECONDS) -> None:
        self._kept_seconds = kept_seconds
        self._gateway = gateway
        self._callers = ConcurrencyLimit(CALLERS_MAX, "wait for accounting")
        self._lock = threading.Lock()
        self._answers: dict[str, tuple[Job | None, float]] = {}  # with the moment until which each is good
        self._list: _List | None = None
        self._failure: BridgeError | None = None
        self._failed_until_seconds = 0.0

    def find(self, job_id: str, deadline: Deadline, *, is_fresh: bool = False) -> Job | None:
        """The job, if accounting knows it; `is_fresh`: now, not some seconds ago.

        Raises `AccountingUnreachableError`, `OverloadedError`, or `ControllerUnreachableError` where it is not known
        whether there is accounting.
        """
        job, good_until_seconds = self._answers.get(job_id, (None, 0.0))
        if is_fresh or good_until_seconds < time.monotonic():
            job = self._ask(job_id, Deadline.after(min(FIND_SECONDS, deadline.remaining_seconds)))
        return job

    def newest_first(self, since: int, deadline: Deadline) -> list[Job]:
        """The jobs submitted since then, in seconds since the epoch, that have ended. Raises what `find` does."""
        last = self._list
        if last is None or since < last.since or time.monotonic() > last.read_at_seconds + LIST_KEPT_SECONDS:
            read_at_seconds = time.monotonic()
            with self._asking():
                jobs = own_jobs(self._gateway.past(since, int(time.time()), deadline))
            jobs.sort(key=lambda job: job.order, reverse=True)
            last = self._list = _List(since, read_at_seconds, jobs)
        return [job for job in last.jobs if (job.snapshot.submit_time or 0) >= since]

    def _ask(self, job_id: str, deadline: Deadline) -> Job | None:
        with self._asking():
            snapshot = self._gateway.find_past(job_id, deadline)
        job = next(iter(own_jobs([] if snapshot is None else [snapshot])), None)
        with self._lock:
            self._answers[job_id] = (job, time.monotonic() + (FOUND_KEPT_SECONDS if job else self._kept_seconds))
            if len(self._answers) > KEPT_MAX:
                del self._answers[next(iter(self._answers))]  # the oldest
        return job

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Ask accounting, but not for a while after a question without an answer: it would only take callers' time."""
        begun_at_seconds = time.monotonic()
        if self._failure is not None and begun_at_seconds < self._failed_until_seconds:
            raise copy(self._failure)  # an instance of its own: a traceback belongs to one thread
        with self._callers:
            try:
                yield
            except BridgeError as error:
                now_seconds = time.monotonic()
                # A question that had little time says nothing.
                if error.slurm_code or now_seconds - begun_at_seconds > FIND_SECONDS / 2:
                    self._failure = error
                    self._failed_until_seconds = now_seconds + self._kept_seconds
                raise
