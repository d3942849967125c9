"""How jobs stand: by the board, and by accounting where that does not reach back far enough."""

import time
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from heapq import merge
from uuid import UUID

from bridge.archive import Archive
from bridge.deadline import Deadline
from bridge.errors import BridgeError, ControllerUnreachableError, NotFoundError, OverloadedError
from bridge.job_ids import is_job_id, job_order
from bridge.slurm.board import Board
from bridge.slurm.picture import BoardJob, Sighting, Source

CANCELLER_SECONDS = 1.0  # it is nice to know


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
    """Answers without asking the controller anything."""

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
        # Those too that were not seen to end.
        open_ids = [job_id for job_id in well_formed if job_id not in found or found[job_id].is_lost]
        if open_ids:
            try:
                past = self._archive.find(open_ids, deadline)
            except BridgeError as error:
                past, reason = {}, reason or error
            now = time.time()
            found.update({job_id: Sighting(job, Source.ACCOUNTING, now) for job_id, job in past.items()})
        answers.update(dict.fromkeys(well_formed, reason or unknown_job))
        answers.update(found)
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
        past, missing = self._past(wanted, deadline)
        jobs: list[BoardJob] = []
        for job in merge(on_board, past, key=lambda job: job.order, reverse=True):
            is_after_cursor = cursor is None or job.order < job_order(cursor)
            is_new = not jobs or job.order < jobs[-1].order  # the board's comes before accounting's of the same job
            if is_after_cursor and is_new and wanted.passes(job):
                jobs.append(job)
                if len(jobs) > limit:
                    break
        shown, now = jobs[:limit], time.time()
        sightings = [self._board.find(job.snapshot.job_id) or Sighting(job, Source.ACCOUNTING, now) for job in shown]
        next_cursor = shown[-1].snapshot.job_id if len(jobs) > limit else None
        return Page(sightings, next_cursor, missing)

    def _on_board(self, job_ids: Sequence[str]) -> dict[str, Sighting]:
        sightings = ((job_id, self._board.find(job_id)) for job_id in job_ids)
        return {job_id: sighting for job_id, sighting in sightings if sighting is not None}

    def _with_canceller(self, sighting: Sighting, deadline: Deadline) -> Sighting:
        """The same, with the user who has cancelled the job, which only accounting knows."""
        snapshot = sighting.job.snapshot
        if snapshot.state != "CANCELLED":
            return sighting
        patience = Deadline.after(min(CANCELLER_SECONDS, deadline.remaining_seconds))
        try:
            past = self._archive.find([snapshot.job_id], patience).get(snapshot.job_id)
        except BridgeError:
            return sighting
        if past is None:
            return sighting
        known = replace(snapshot, cancelled_by=past.snapshot.cancelled_by)
        return Sighting(BoardJob(known, sighting.job.comment), sighting.source, sighting.seen_at)

    def _past(self, wanted: JobFilter, deadline: Deadline) -> tuple[list[BoardJob], str | None]:
        """Accounting's jobs where the controller may have forgotten some that are wanted; or why they are missing."""
        if wanted.since is None or wanted.since > time.time() - self._board.min_job_age_seconds:
            return [], None
        try:
            return self._archive.newest_first(int(wanted.since), deadline), None
        except BridgeError as error:
            return [], f"jobs that only accounting remembers: {error}"
