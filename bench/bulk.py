"""Ten thousand jobs: in ten batches, in single requests, and through slurmrestd one by one.

Usage, as root in the box: ./container/shell python -m bench.bulk [--rounds 3] [--seconds 5]

Each measurement has a fresh Slurm of its own, as in `bench.submit`. Batches come one after the other from one client,
with a key each; the jobs are of ten things. slurmrestd's `jobs` is one heterogeneous job, so its way to many jobs is a
request each. A figure is the median over the rounds, a ratio the median of the rounds' ratios.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

from bench import peers
from bench.submit import SETTLE_SECONDS, WARM_UP_SECONDS, fresh_slurm
from bridge.client import Bridge
from tests.support import load
from tests.support.samples import QAQC_BODY

JOBS, BATCHES, THINGS = 10_000, 10, 10
CLIENTS = 8
BATCH, SINGLE, SLURMRESTD = "bridge, ten batches", f"bridge, {CLIENTS} clients", f"slurmrestd, {CLIENTS} clients"
SLURMRESTD_ONE = "slurmrestd, one client"


@dataclass(frozen=True, slots=True)
class Figure:
    """One measurement."""

    per_second: float
    longest_seconds: float  # of all requests
    slurm_cpu_milliseconds: float  # a job


def in_batches(_seconds: int) -> Figure:
    """All jobs, in ten requests."""
    with fresh_slurm() as (slurm, folder), peers.bridge(slurm, folder) as service:
        time.sleep(SETTLE_SECONDS)
        client, items, took = Bridge(service.url.removesuffix("/qaqc/run")), _items(), []
        before, begun_at_seconds = peers.cpu_seconds(slurm.daemon_pids), time.monotonic()
        for number in range(BATCHES):
            posted_at_seconds = time.monotonic()
            client.submit_batch("qaqc", items, lane="bulk", key=f"batch-{number}")
            took.append(time.monotonic() - posted_at_seconds)
        seconds = time.monotonic() - begun_at_seconds
        spent = peers.cpu_seconds(slurm.daemon_pids) - before
    return Figure(JOBS / seconds, max(took), 1000 * spent / JOBS)


def one_by_one(start: peers.Starter, clients: int) -> Callable[[int], Figure]:
    """As many jobs as `clients` get through in some seconds."""

    def measure(seconds: int) -> Figure:
        with fresh_slurm() as (slurm, folder), start(slurm, folder) as service:
            time.sleep(SETTLE_SECONDS)
            load.post(service.url, service.body, service.headers, clients=clients, seconds=WARM_UP_SECONDS)
            before = peers.cpu_seconds(slurm.daemon_pids)
            result = load.post(service.url, service.body, service.headers, clients=clients, seconds=seconds)
            spent = peers.cpu_seconds(slurm.daemon_pids) - before
        return Figure(result.per_second, result.p99_milliseconds / 1000, 1000 * spent / result.requests)

    return measure


WAYS: Mapping[str, Callable[[int], Figure]] = {
    BATCH: in_batches,
    SINGLE: one_by_one(peers.bridge, CLIENTS),
    SLURMRESTD: one_by_one(peers.slurmrestd, CLIENTS),
    SLURMRESTD_ONE: one_by_one(peers.slurmrestd, 1),
}


def _items() -> list[dict[str, object]]:
    return [{**QAQC_BODY, "thing_uuid": str(UUID(int=number % THINGS + 1))} for number in range(JOBS // BATCHES)]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.bulk")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5, help="of load where jobs come one by one (default: 5)")
    options = parser.parse_args()
    rounds: list[dict[str, Figure]] = []
    for number in range(1, options.rounds + 1):
        rounds.append({})
        for name, measure in WAYS.items():
            rounds[-1][name] = measure(options.seconds)
            progress = f"round {number} of {options.rounds}, {name}"
            print(f"{progress}: {rounds[-1][name].per_second:,.0f}/s", file=sys.stderr)
    print("| way | jobs/s | longest request s (one by one: p99) | Slurm CPU ms/job | batches to this |")
    print("|---|---|---|---|---|")
    for name in WAYS:
        figures = [figures[name] for figures in rounds]
        ratio = statistics.median(figures[BATCH].per_second / figures[name].per_second for figures in rounds)
        per_second, longest, cpu = (
            statistics.median(getattr(figure, of) for figure in figures)
            for of in ("per_second", "longest_seconds", "slurm_cpu_milliseconds")
        )
        print(f"| {name} | {per_second:,.0f} | {longest:.2f} | {cpu:.2f} | {ratio:.1f}x |")


if __name__ == "__main__":
    main()
