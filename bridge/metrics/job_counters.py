"""How jobs ended, and how long they waited and ran: counted once each, from what the looks at the queue show."""

import time
from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram

from bridge.jobs.requests.kinds import KIND_NAMES
from bridge.jobs.status.job_changes import JobChange
from bridge.jobs.status.job_view import Job

NAMESPACE = "tsm_bridge"
SECONDS = (1, 5, 15, 60, 300, 900, 3600)
UNSEEN = "unseen"  # the outcome of a job that left the queue without having been seen to end


class JobCounters:
    """An observer of the queue cache."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._began_at = time.time()
        self._finished = Counter(
            "jobs_finished",
            "Jobs that ended, by how: Slurm's word in small letters, or unseen.",
            ("kind", "outcome"),
            namespace=NAMESPACE,
            registry=registry,
        )
        self._wait = _histogram("job_wait_seconds", "How long jobs waited that have begun.", registry)
        self._run = _histogram("job_run_seconds", "How long jobs ran that have ended.", registry)
        for kind in KIND_NAMES:  # so that the first one is seen to be one more
            self._finished.labels(kind, "completed")
            self._finished.labels(kind, "failed")

    def observe(self, changes: Sequence[JobChange]) -> None:
        """Take in what a look has shown."""
        for change in changes:
            if change.is_unseen_end and change.before is not None:
                self._finished.labels(change.before.kind, UNSEEN).inc()
            elif change.after is not None:
                self._observe(change, change.after)

    def _observe(self, change: JobChange, job: Job) -> None:
        snapshot = job.snapshot
        if change.is_start_since(self._began_at):
            _observe(self._wait, job.kind, snapshot.submit_time, snapshot.start_time)
        if change.is_end:
            self._finished.labels(job.kind, job.state.lower()).inc()
            if snapshot.nodes is not None:
                _observe(self._run, job.kind, snapshot.start_time, snapshot.end_time)


def _histogram(name: str, meaning: str, registry: CollectorRegistry) -> Histogram:
    return Histogram(name, meaning, ("kind",), namespace=NAMESPACE, registry=registry, buckets=SECONDS)


def _observe(histogram: Histogram, kind: str, begin: int | None, end: int | None) -> None:
    if begin is not None and end is not None:
        histogram.labels(kind).observe(max(0, end - begin))
