"""What accounting remembers of the bridge's jobs. Asked seldom: what it said is kept, and that it said nothing too."""

import math
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from bridge.admission import Admission
from bridge.deadline import Deadline
from bridge.errors import AccountingUnreachableError
from bridge.explanations import FINISHED_STATES
from bridge.slurm.gateway import Gateway
from bridge.slurm.picture import BoardJob, own_jobs

ANSWER_SECONDS = 5.0  # a look into a database that is well takes some milliseconds
CALLERS_MAX = 8  # a database that hangs costs no more threads than this
KEPT_MAX = 10_000  # answers about a job each
KEPT_SECONDS = 10.0  # that there is no such job, that it has not ended, that there was no answer
# Jobs are read back in stretches of time, the latest first and each longer than the one before.
FIRST_STRETCH_SECONDS = 3600
STRETCH_FACTOR = 4


class Archive:
    """Safe to use from many threads. On a cluster without accounting it is empty."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._callers = Admission(CALLERS_MAX, "wait for accounting")
        self._lock = threading.Lock()
        self._answers: dict[str, tuple[BoardJob | None, float]] = {}  # with the moment until which each is good
        self._failure = ""
        self._failed_until_seconds = 0.0

    def find(self, job_ids: Sequence[str], deadline: Deadline) -> dict[str, BoardJob]:
        """The jobs of these ids that accounting knows. Raises `AccountingUnreachableError`, `OverloadedError`."""
        now_seconds = time.monotonic()
        answers = {job_id: self._answers.get(job_id, (None, 0.0)) for job_id in job_ids}
        open_ids = [job_id for job_id, (_, good_until_seconds) in answers.items() if good_until_seconds < now_seconds]
        if open_ids:
            answers.update(self._ask(open_ids, deadline))
        return {job_id: job for job_id, (job, _) in answers.items() if job is not None}

    def newest_first(self, since: int, until: int, deadline: Deadline) -> Iterator[BoardJob]:
        """The jobs submitted from `since` to `until`, in seconds since the epoch. Raises what `find` does."""
        length_seconds = FIRST_STRETCH_SECONDS
        while since < until:
            begin = max(since, until - length_seconds)
            jobs = [
                job
                for job in self._own_past(begin, until, deadline)
                if begin <= (job.snapshot.submit_time or 0) < until
            ]
            yield from sorted(jobs, key=lambda job: job.order, reverse=True)
            until, length_seconds = begin, length_seconds * STRETCH_FACTOR

    def _ask(self, job_ids: Sequence[str], deadline: Deadline) -> dict[str, tuple[BoardJob | None, float]]:
        with self._asking(deadline) as patience:
            found = {job.snapshot.job_id: job for job in own_jobs(self._gateway.find_past(job_ids, patience))}
        good_until_seconds = time.monotonic() + KEPT_SECONDS
        answers: dict[str, tuple[BoardJob | None, float]] = {}
        for job_id in job_ids:
            job = found.get(job_id)
            has_ended = job is not None and job.snapshot.state in FINISHED_STATES
            answers[job_id] = (job, math.inf if has_ended else good_until_seconds)
        self._keep(answers)
        return answers

    def _keep(self, answers: dict[str, tuple[BoardJob | None, float]]) -> None:
        with self._lock:
            self._answers.update(answers)
            for job_id in list(self._answers)[: max(0, len(self._answers) - KEPT_MAX)]:  # the oldest
                del self._answers[job_id]

    def _own_past(self, since: int, until: int, deadline: Deadline) -> list[BoardJob]:
        with self._asking(deadline) as patience:
            return own_jobs(self._gateway.past(since, until, patience))

    @contextmanager
    def _asking(self, deadline: Deadline) -> Iterator[Deadline]:
        """Gives the deadline for a call. After one that failed there are none for a while: it would only take time."""
        if time.monotonic() < self._failed_until_seconds:
            raise AccountingUnreachableError(self._failure)
        with self._callers:
            try:
                yield Deadline.after(min(ANSWER_SECONDS, deadline.remaining_seconds))
            except AccountingUnreachableError as error:
                self._failure = str(error)
                self._failed_until_seconds = time.monotonic() + KEPT_SECONDS
                raise
