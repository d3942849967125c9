"""How HTTP requests and submissions fared."""

from functools import cache

from prometheus_client import CollectorRegistry, Counter, Histogram

from bridge.jobs.requests.kinds import KIND_NAMES
from bridge.metrics.job_counters import NAMESPACE

SECONDS = (0.01, 0.1, 1)
ACCEPTED, REPLAYED = "accepted", "replayed"


class RequestCounters:
    """Safe to use from many threads."""

    def __init__(self, registry: CollectorRegistry) -> None:
        requests = Counter(
            "http_requests",
            "Requests answered, by route and status.",
            ("route", "status"),
            namespace=NAMESPACE,
            registry=registry,
        )
        self._problems = Counter(
            "http_problems",
            "Requests answered with a problem, by its type.",
            ("type",),
            namespace=NAMESPACE,
            registry=registry,
        )
        seconds = Histogram(
            "http_request_seconds",
            "How long requests took, waiting for a job to change included.",
            ("route",),
            namespace=NAMESPACE,
            registry=registry,
            buckets=SECONDS,
        )
        submissions = Counter(
            "submissions",
            "Jobs: accepted, replayed (the key had its job). Requests that were refused: the type of the problem.",
            ("kind", "outcome"),
            namespace=NAMESPACE,
            registry=registry,
        )
        # What `labels` returns is kept: to look it up takes longer than to count.
        self._requests_of = cache(requests.labels)
        self._seconds_of = cache(seconds.labels)
        self._submissions_of = cache(submissions.labels)
        for kind in KIND_NAMES:
            self._submissions_of(kind, ACCEPTED)

    def note_answer(self, route: str, status: int, seconds: float, problem: str | None) -> None:
        """A request of this route was answered; `problem` is the type of the error."""
        self._requests_of(route, status).inc()
        self._seconds_of(route).observe(seconds)
        if problem is not None:
            self._problems.labels(problem).inc()

    def note_submission(self, kind: str, outcome: str, jobs: int = 1) -> None:
        """A request to submit so many jobs of this kind was answered."""
        self._submissions_of(kind, outcome).inc(jobs)
