"""All figures of a bridge, and the text that Prometheus reads."""

from prometheus_client import CollectorRegistry, ProcessCollector, disable_created_metrics, generate_latest

from bridge.jobs.status.job_changes import ChangeObserver
from bridge.metrics.history import JobHistory
from bridge.metrics.job_counters import NAMESPACE, JobCounters
from bridge.metrics.queue_tally import QueueTally
from bridge.metrics.requests import RequestCounters
from bridge.metrics.state import BridgeState


class Metrics:
    """The figures of one bridge, in a registry of their own."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # they would double the series of counters
        self.registry = CollectorRegistry()
        self.tally = QueueTally()
        self.history = JobHistory(self.tally)
        self.requests = RequestCounters(self.registry)
        self._jobs = JobCounters(self.registry)
        ProcessCollector(namespace=NAMESPACE, registry=self.registry)

    @property
    def observers(self) -> tuple[ChangeObserver, ...]:
        """What has to hear of changes in the queue."""
        return self.tally.observe, self._jobs.observe, self.history.observe

    def add_state(self, state: BridgeState) -> None:
        """Let a scrape tell this, too."""
        self.registry.register(state)

    def text(self) -> bytes:
        """The text format of Prometheus, version 0.0.4; asks no other process."""
        return generate_latest(self.registry)
