"""Nodes on which jobs fail while they end well elsewhere: new jobs leave them out for a while.

Never the last one: a node is bad only where another one, on which jobs of the same sort run, has ended one well. A
restarted bridge sees the jobs that ended lately in its first look, and comes to the same.
"""

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from bridge.jobs.failures.causes import cause_of
from bridge.jobs.status.job_changes import JobChange
from bridge.jobs.status.job_view import Job

log = logging.getLogger(__name__)

WINDOW_SECONDS = 600
FAILURES_MIN = 3  # in a row, of as many things
# What a node is not to blame for.
_OTHERS_FAULTS = {"cancelled", "deadline", "dependency", "exit_code_1", "out_of_memory", "preemption", "time_limit"}


@dataclass(slots=True)
class _Node:
    """What has ended there lately. Times are in seconds since the epoch."""

    ended_well_at: int = 0  # the last time
    # Since then, by job id: when, and for which thing.
    failed: dict[str, tuple[int, UUID]] = field(default_factory=dict)
    left_out_until: float = 0.0


class BadNodes:
    """An observer of the queue cache. Safe to use from many threads."""

    def __init__(self, left_out_minutes: int) -> None:
        self._left_out_seconds = left_out_minutes * 60
        self._lock = threading.Lock()
        self._nodes: dict[tuple[str, str | None], dict[str, _Node]] = {}  # by kind and lane, then by name

    @property
    def is_on(self) -> bool:
        """Whether bad nodes are left out."""
        return self._left_out_seconds > 0

    def observe(self, changes: Sequence[JobChange]) -> None:
        """Take in what a look has shown."""
        if not self.is_on:
            return
        with self._lock:
            for job in (change.after for change in changes):
                if job is not None and job.has_ended and job.snapshot.nodes and _ended_at(job) > _window_begin():
                    self._note(job, job.snapshot.nodes)

    def left_out(self, kind: str, lane: str | None = None) -> tuple[str, ...]:
        """The names of the nodes that a new job of this kind in this lane does without."""
        now = time.time()
        with self._lock:
            nodes = self._nodes.get((kind, lane), {})
            return tuple(sorted(name for name, node in nodes.items() if node.left_out_until > now))

    def until(self) -> dict[str, float]:
        """Until when each node is left out, by its name, in seconds since the epoch."""
        now = time.time()
        with self._lock:
            named = [(name, node.left_out_until) for nodes in self._nodes.values() for name, node in nodes.items()]
        return {name: until for name, until in sorted(named, key=lambda pair: pair[1]) if until > now}

    def _note(self, job: Job, name: str) -> None:
        nodes = self._nodes.setdefault((job.kind, job.metadata.lane), {})
        node = nodes.setdefault(name, _Node())
        if job.state == "COMPLETED":
            node.ended_well_at = max(node.ended_well_at, _ended_at(job))
            node.failed = {job_id: failed for job_id, failed in node.failed.items() if failed[0] > node.ended_well_at}
        elif cause_of(job.snapshot) not in _OTHERS_FAULTS and _ended_at(job) > node.ended_well_at:
            node.failed[job.id] = (_ended_at(job), job.thing_uuid)
            self._judge(nodes, name)

    def _judge(self, nodes: dict[str, _Node], name: str) -> None:
        node, now = nodes[name], time.time()
        node.failed = {job_id: failed for job_id, failed in node.failed.items() if failed[0] > _window_begin()}
        things = {thing for _, thing in node.failed.values()}
        others = (other for other_name, other in nodes.items() if other_name != name and other.left_out_until <= now)
        has_good_one = any(other.ended_well_at > _window_begin() for other in others)
        if len(things) >= FAILURES_MIN and has_good_one and node.left_out_until <= now:
            log.warning("a node is left out for a while", extra={"node": name, "failed_jobs": sorted(node.failed)})
            node.left_out_until = now + self._left_out_seconds
            node.failed.clear()


def _ended_at(job: Job) -> int:
    return job.snapshot.end_time or 0


def _window_begin() -> float:
    return time.time() - WINDOW_SECONDS
