"""How jobs stand: by the cached queue, and by accounting where the queue does not reach back far enough."""

import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from uuid import UUID

from msgspec.structs import replace

from bridge.core.deadline import Deadline
from bridge.core.errors import BridgeError, ControllerUnreachableError, NotFoundError, OverloadedError
from bridge.jobs.status.job_view import Job, JobView, Origin
from bridge.jobs.status.past_jobs import PastJobs
from bridge.jobs.status.queue_cache import QueueCache
from bridge.slurm.job_ids import is_job_id, order_of_cursor


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs are asked for; what is None or empty lets any pass."""

    kind: str | None = None
    states: frozenset[str] = frozenset()
    thing_uuid: UUID | None = None
    since: float | None = None  # submitted then or later, in seconds since the epoch
    caller: str | None = None  # submitted by this one

    def passes(self, job: Job) -> bool:
        """Whether the job is one of them."""
        return (
            (self.kind is None or job.kind == self.kind)
            and (not self.states or job.state in self.states)
            and (self.thing_uuid is None or job.thing_uuid == self.thing_uuid)
            and (self.since is None or (job.snapshot.submit_time or 0) >= self.since)
            and (self.caller is None or job.metadata.by == self.caller)
        )


@dataclass(frozen=True, slots=True)
class JobPage:
    """Some jobs, the newest first."""

    jobs: list[JobView]
    next_cursor: str | None  # of the job after which the next page begins; None: there are no more
    missing: str | None  # what could not be looked into, and why
    looked_at: float  # when the queue stood like this, in seconds since the epoch


class JobLookup:
    """Answers from the cached queue, and from accounting where that knows more. Safe to use from many threads."""

    def __init__(self, cache: QueueCache, past_jobs: PastJobs) -> None:
        self._cache = cache
        self._past_jobs = past_jobs

    @property
    def is_current(self) -> bool:
        """Whether the controller answers; else answers show its last word."""
        return self._cache.is_current

    @property
    def looked_at(self) -> float:
        """When the queue stood as it is cached, in seconds since the epoch; 0 where it was never seen."""
        return self._cache.looked_at

    def find(self, job_id: str, deadline: Deadline) -> JobView:
        """How the job stands. Raises the error that `find_all` has for it."""
        self._cache.wait_until_recent(deadline)
        view = self._cache.find(job_id)
        if view is not None and not view.is_lost:
            return self._with_canceller(view, deadline)
        found = self.find_all([job_id], deadline)[job_id]
        if isinstance(found, BridgeError):
            raise found
        return found

    def wait_until_seen(self, deadline: Deadline) -> None:
        """Let the cache be recent. Raises `ControllerUnreachableError` where the queue has never been seen."""
        self._cache.wait_until_recent(deadline)
        if not self._cache.looked_at:
            raise ControllerUnreachableError("The Slurm controller has not answered yet. Ask again later.")

    def submitted_at(self, job_id: str) -> int | None:
        """When the job was submitted, in seconds since the epoch, as far as that is known without asking."""
        view = self._cache.find(job_id)
        return None if view is None else view.job.snapshot.submit_time

    def find_in_next_look(self, job_id: str, deadline: Deadline) -> JobView:
        """How the job stands in a look at the queue that is begun after this call.

        Raises what `QueueCache.wait_for_look` and `find` raise.
        """
        self._cache.wait_for_look(deadline)
        return self.find(job_id, deadline)

    def wait(
        self, view: JobView, wait_seconds: float, deadline: Deadline, has_hung_up: Callable[[], bool]
    ) -> JobView | None:
        """The job once it is in another state than `view` says, or when `wait_seconds` are over.

        Or when `has_hung_up()`: the client is not there any more. `None`, at once, where too many wait already.
        `deadline` is moved on by the time that was waited. Raises what `find` raises.
        """
        begun_at_seconds = time.monotonic()
        if not self._cache.wait_for_change(view.id, view.state, Deadline.after(wait_seconds), has_hung_up):
            return None
        return self.find(view.id, deadline.later_by(time.monotonic() - begun_at_seconds))

    def find_all(self, job_ids: Sequence[str], deadline: Deadline) -> dict[str, JobView | BridgeError]:
        """How each of the jobs stands.

        In its place `NotFoundError` where neither Slurm nor the bridge knows it as one of the bridge's, or why that
        could not be found out: `ControllerUnreachableError`, `AccountingUnreachableError`, `OverloadedError`.
        """
        no_id = NotFoundError("This is no job id: they look like `17`, or `20_3` for an array element.")
        unknown_job = NotFoundError("Slurm knows no job of this service with this id, or has forgotten it (MinJobAge).")
        answers: dict[str, JobView | BridgeError] = dict.fromkeys(job_ids, no_id)
        well_formed = [job_id for job_id in answers if is_job_id(job_id)]
        self._cache.wait_until_recent(deadline)
        found = self._in_cache(well_formed)
        unknown = [job_id for job_id in well_formed if job_id not in found]
        reason: BridgeError | None = None
        if unknown:  # another bridge may have submitted them a moment ago
            try:
                self._cache.wait_for_look(deadline)
            except (ControllerUnreachableError, OverloadedError) as error:
                reason = error
            found.update(self._in_cache(unknown))
        answers.update(dict.fromkeys(well_formed, reason or unknown_job))
        answers.update(found)
        for job_id in well_formed:
            if job_id not in found or found[job_id].is_lost:
                answers[job_id] = self._recall(job_id, answers[job_id], deadline)
        return answers

    def page(self, wanted: JobFilter, cursor: str | None, limit: int, deadline: Deadline) -> JobPage:
        """The `limit` newest of the jobs that `wanted` lets pass, or of those before the job `cursor`.

        Raises `ControllerUnreachableError` where the queue has never been seen.
        """
        self.wait_until_seen(deadline)
        cached = self._cache.newest_first()
        if cursor is not None:
            last = order_of_cursor(cursor)
            cached = cached[bisect_left(cached, True, key=lambda job: job.order < last) :]
        past, missing = self._past(wanted.since, deadline)
        past_ids = {job.id for job in past}
        own = (job for job in cached if wanted.passes(job) and job.id not in past_ids)
        theirs = (job for job in past if wanted.passes(job) and (cursor is None or job.order < order_of_cursor(cursor)))
        now = time.time()
        everything = merge(
            map(self._cache.view_of, own),
            (JobView(job, Origin.ACCOUNTING, now) for job in theirs),
            key=lambda view: view.job.order,
            reverse=True,
        )
        jobs = list(islice(everything, limit + 1))
        next_cursor = jobs[limit - 1].cursor if len(jobs) > limit else None
        return JobPage(jobs[:limit], next_cursor, missing, self._cache.looked_at)

    def _in_cache(self, job_ids: Sequence[str]) -> dict[str, JobView]:
        views = ((job_id, self._cache.find(job_id)) for job_id in job_ids)
        return {job_id: view for job_id, view in views if view is not None}

    def _recall(self, job_id: str, answer: JobView | BridgeError, deadline: Deadline) -> JobView | BridgeError:
        """The job as accounting has it, or else `answer`, or why accounting could not be asked."""
        try:
            job = self._past_jobs.find(job_id, deadline)
        except BridgeError as error:
            return error if isinstance(answer, NotFoundError) else answer
        return answer if job is None else JobView(job, Origin.ACCOUNTING, time.time())

    def _with_canceller(self, view: JobView, deadline: Deadline) -> JobView:
        """The same, with the user who has cancelled the job, which only accounting knows."""
        if view.state != "CANCELLED":
            return view
        try:
            past = self._past_run(view, deadline)
        except BridgeError:
            return view
        if past is None:
            return view
        job = copy(view.job)
        job.snapshot = replace(job.snapshot, cancelled_by=past.snapshot.cancelled_by)
        return JobView(job, view.origin, view.seen_at)

    def _past_run(self, view: JobView, deadline: Deadline) -> Job | None:
        """The latest run of a job as accounting has it. An answer from before may be about the run before."""
        submitted_at = view.job.snapshot.submit_time or 0
        for is_fresh in (False, True):
            past = self._past_jobs.find(view.id, deadline, is_fresh=is_fresh)
            if past is None:
                return None
            ended_at = past.snapshot.end_time or 0
            if ended_at >= submitted_at:
                return past
        return None

    def _past(self, since: float | None, deadline: Deadline) -> tuple[list[Job], str | None]:
        """The jobs submitted since then of which accounting knows more than the cache; or why they are missing."""
        if since is None or since > time.time() - self._cache.min_job_age_seconds:
            return [], None
        try:
            jobs = self._past_jobs.newest_first(int(since), deadline)
        except BridgeError as error:
            return [], f"jobs that only accounting remembers: {error}"
        return [job for job in jobs if self._is_open(job.id)], None

    def _is_open(self, job_id: str) -> bool:
        """Whether the cache does not know the job, or not how it ended."""
        view = self._cache.find(job_id)
        return view is None or view.is_lost
