"""How jobs stand: by the board, and by accounting where that does not reach back far enough."""

import time
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from uuid import UUID

from bridge.archive import Archive
from bridge.deadline import Deadline
from bridge.errors import BridgeError, ControllerUnreachableError, NotFoundError, OverloadedError
from bridge.job_ids import is_job_id, job_order
from bridge.slurm.board import Board
from bridge.slurm.picture import BoardJob, Sighting, Source


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs are asked for; what is None or empty lets any pass."""

    kind: str | None = None
    states: frozenset[str] = frozenset()
    thing_uuid: UUID | None = None
    since: float | None = None  # submitted then or later, in seconds since the epoch

    def passes(self, job: BoardJob) -> bool:
        """Whether the job is one of them."""
        return (
            (self.kind is None or job.comment.kind == self.kind)
            and (not self.states or job.snapshot.state in self.states)
            and (self.thing_uuid is None or job.comment.thing_uuid == self.thing_uuid)
            and (self.since is None or (job.snapshot.submit_time or 0) >= self.since)
        )


@dataclass(frozen=True, slots=True)
class Page:
    """Some jobs, the newest first."""

    jobs: list[Sighting]
    next_cursor: str | None  # the id after which the next page begins; None: there are no more
    missing: str | None  # what could not be looked into, and why


class Inquiries:
    """Answers from the board, and from accounting where that knows more."""

    def __init__(self, board: Board, archive: Archive) -> None:
        self._board = board
        self._archive = archive

    def find(self, job_id: str, deadline: Deadline) -> Sighting:
        """How the job stands. Raises the error that `find_all` has for it."""
        self._board.freshen(deadline)
        sighting = self._board.find(job_id)
        if sighting is not None and not sighting.is_lost:
            return self._with_canceller(sighting, deadline)
        found = self.find_all([job_id], deadline)[job_id]
        if isinstance(found, BridgeError):
            raise found
        return found

    def find_all(self, job_ids: Sequence[str], deadline: Deadline) -> dict[str, Sighting | BridgeError]:
        """How each of the jobs stands.

        In its place `NotFoundError` where neither Slurm nor the bridge knows it as one of the bridge's, or why that
        could not be found out: `ControllerUnreachableError`, `AccountingUnreachableError`, `OverloadedError`.
        """
        no_id = NotFoundError("This is no job id: they look like `17`, or `20_3` for an array element.")
        unknown_job = NotFoundError("Slurm knows no job of this service with this id, or has forgotten it (MinJobAge).")
        answers: dict[str, Sighting | BridgeError] = dict.fromkeys(job_ids, no_id)
        well_formed = [job_id for job_id in answers if is_job_id(job_id)]
        self._board.freshen(deadline)
        found = self._on_board(well_formed)
        unknown = [job_id for job_id in well_formed if job_id not in found]
        reason: BridgeError | None = None
        if unknown:  # another bridge may have submitted them a moment ago
            try:
                self._board.look_again(deadline)
            except (ControllerUnreachableError, OverloadedError) as error:
                reason = error
            found.update(self._on_board(unknown))
        answers.update(dict.fromkeys(well_formed, reason or unknown_job))
        answers.update(found)
        for job_id in well_formed:
            if job_id not in found or found[job_id].is_lost:
                answers[job_id] = self._recall(job_id, answers[job_id], deadline)
        return answers

    def page(self, wanted: JobFilter, cursor: str | None, limit: int, deadline: Deadline) -> Page:
        """The `limit` newest of the jobs that `wanted` lets pass, or of those before the job `cursor`.

        Raises `ControllerUnreachableError` where the queue has never been seen.
        """
        self._board.freshen(deadline)
        if not self._board.looked_at:
            raise ControllerUnreachableError("The Slurm controller has not answered yet. Ask again later.")
        on_board = self._board.newest_first()
        if cursor is not None:
            last = job_order(cursor)
            on_board = on_board[bisect_left(on_board, True, key=lambda job: job.order < last) :]
        past, missing = self._past(wanted.since, deadline)
        past_ids = {job.snapshot.job_id for job in past}
        own = (job for job in on_board if wanted.passes(job) and job.snapshot.job_id not in past_ids)
        theirs = (job for job in past if wanted.passes(job) and (cursor is None or job.order < job_order(cursor)))
        now = time.time()
        everything = merge(
            map(self._board.sighting_of, own),
            (Sighting(job, Source.ACCOUNTING, now) for job in theirs),
            key=lambda sighting: sighting.job.order,
            reverse=True,
        )
        jobs = list(islice(everything, limit + 1))
        next_cursor = jobs[limit - 1].job.snapshot.job_id if len(jobs) > limit else None
        return Page(jobs[:limit], next_cursor, missing)

    def _on_board(self, job_ids: Sequence[str]) -> dict[str, Sighting]:
        sightings = ((job_id, self._board.find(job_id)) for job_id in job_ids)
        return {job_id: sighting for job_id, sighting in sightings if sighting is not None}

    def _recall(self, job_id: str, answer: Sighting | BridgeError, deadline: Deadline) -> Sighting | BridgeError:
        """The job as accounting has it, or else `answer`, or why accounting could not be asked."""
        try:
            job = self._archive.find(job_id, deadline)
        except BridgeError as error:
            return error if isinstance(answer, NotFoundError) else answer
        return answer if job is None else Sighting(job, Source.ACCOUNTING, time.time())

    def _with_canceller(self, sighting: Sighting, deadline: Deadline) -> Sighting:
        """The same, with the user who has cancelled the job, which only accounting knows."""
        snapshot = sighting.job.snapshot
        if snapshot.state != "CANCELLED":
            return sighting
        try:
            past = self._archive.find(snapshot.job_id, deadline)
        except BridgeError:
            return sighting
        if past is None:
            return sighting
        known = snapshot._replace(cancelled_by=past.snapshot.cancelled_by)
        return Sighting(BoardJob(known, sighting.job.comment), sighting.source, sighting.seen_at)

    def _past(self, since: float | None, deadline: Deadline) -> tuple[list[BoardJob], str | None]:
        """The jobs submitted since then of which accounting knows more than the board; or why they are missing."""
        if since is None or since > time.time() - self._board.min_job_age_seconds:
            return [], None
        try:
            jobs = self._archive.newest_first(int(since), deadline)
        except BridgeError as error:
            return [], f"jobs that only accounting remembers: {error}"
        return [job for job in jobs if self._is_open(job.snapshot.job_id)], None

    def _is_open(self, job_id: str) -> bool:
        """Whether the board does not know the job, or not how it ended."""
        sighting = self._board.find(job_id)
        return sighting is None or sighting.is_lost
