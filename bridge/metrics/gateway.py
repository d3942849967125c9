"""A gateway that measures how long Slurm takes to answer."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from prometheus_client import CollectorRegistry, Histogram

from bridge.metrics.job_counters import NAMESPACE
from bridge.slurm.gateway import Gateway
from bridge.slurm.observed_gateway import ObservedGateway

SECONDS = (0.01, 0.1, 1)


class MeasuredGateway(ObservedGateway):
    """Outcomes are `answered` and `failed`: Slurm refused, or did not answer."""

    def __init__(self, gateway: Gateway, registry: CollectorRegistry) -> None:
        super().__init__(gateway)
        seconds = Histogram(
            "slurm_rpc_seconds",
            "How long calls to Slurm took, waiting for a worker included.",
            ("call", "outcome"),
            namespace=NAMESPACE,
            registry=registry,
            buckets=SECONDS,
        )
        self._seconds_of = cache(seconds.labels)

    @contextmanager
    def around(self, call: str) -> Iterator[None]:
        """See `ObservedGateway`."""
        begun_at_seconds, outcome = time.perf_counter(), "failed"
        try:
            yield
            outcome = "answered"
        finally:
            self._seconds_of(call, outcome).observe(time.perf_counter() - begun_at_seconds)
