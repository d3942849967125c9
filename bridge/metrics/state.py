"""How the bridge stands at the moment of a scrape, from what its parts have counted; Slurm is not asked."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bridge.core.json_logs import dropped_lines
from bridge.jobs.failures.automatic import AutomaticRetry
from bridge.jobs.status.queue_cache import QueueCache
from bridge.jobs.submission.recovery import JobRecovery
from bridge.metrics.job_counters import NAMESPACE
from bridge.metrics.queue_tally import QueueTally
from bridge.slurm.gateway import Gateway

Samples = Iterable[tuple[Sequence[str], int | float]]  # values of the labels, and the figure
F = TypeVar("F", GaugeMetricFamily, CounterMetricFamily)


@dataclass(frozen=True, slots=True)
class BridgeState(Collector):
    """A collector of prometheus-client."""

    tally: QueueTally
    cache: QueueCache
    recovery: JobRecovery
    automatic_retry: AutomaticRetry
    gateway: Gateway

    def collect(self) -> Iterator[Metric]:
        """See prometheus-client."""
        yield from self._jobs()
        yield from self._parts()
        yield _gauge("build_info", "The release.", ("version",), [((version("tsm-slurm-bridge"),), 1)])

    def _jobs(self) -> Iterator[Metric]:
        yield _gauge("jobs", "Jobs in Slurm's queue.", ("kind", "state"), self.tally.states().items())
        yield _gauge("jobs_waiting", "Jobs that wait.", ("kind", "reason"), self.tally.reasons().items())
        now = time.time()
        ages = [
            ((kind,), 0.0 if oldest is None else max(0.0, now - oldest))
            for kind, oldest in self.tally.oldest_submitted_at().items()
        ]
        yield _gauge("oldest_waiting_seconds", "How long the job has waited that waits longest.", ("kind",), ages)

    def _parts(self) -> Iterator[Metric]:
        workers = self.gateway.workers()
        restarts = [((purpose,), count) for purpose, count in workers.restarts.items()]
        yield _counter("worker_restarts", "Processes that talk to Slurm, replaced.", ("pool",), restarts)
        for name, meaning, value in (
            ("workers_missing", "How many of these processes are not there.", workers.wanted - workers.alive),
            ("board_age_seconds", "How old the picture of the queue is.", self._board_age_seconds()),
            ("waiting_clients", "Clients that wait for a job to change.", self.cache.waiting_clients),
        ):
            yield _gauge(name, meaning, (), [((), value)])
        for name, meaning, count in (
            ("duplicates_cancelled", "Second jobs of a submission, cancelled.", self.recovery.duplicates_cancelled),
            ("lost_resubmitted", "Jobs that a crash of the controller lost.", self.recovery.lost_resubmitted),
            ("jobs_run_again", "Jobs that the bridge put back into the queue by itself.", self.automatic_retry.runs),
            ("log_dropped", "Lines of the log that nothing read in time.", dropped_lines()),
        ):
            yield _counter(name, meaning, (), [((), count)])

    def _board_age_seconds(self) -> float:
        looked_at = self.cache.looked_at
        return time.time() - looked_at if looked_at else float("inf")


def _gauge(name: str, meaning: str, labels: tuple[str, ...], values: Samples) -> GaugeMetricFamily:
    return _filled(GaugeMetricFamily(f"{NAMESPACE}_{name}", meaning, labels=labels), values)


def _counter(name: str, meaning: str, labels: tuple[str, ...], values: Samples) -> CounterMetricFamily:
    return _filled(CounterMetricFamily(f"{NAMESPACE}_{name}", meaning, labels=labels), values)


def _filled(family: F, values: Samples) -> F:
    for labels, value in values:
        family.add_metric(labels, value)
    return family
