"""Submissions: this bridge, slurmrestd and Flask + sbatch side by side, and how fast pyslurm itself can be.

Usage, as root in the box: ./container/shell python -m bench.submit [--rounds 3] [--seconds 5] [--clients 1 8 32]

Every measurement has a Slurm and a service of its own, so that all begin with an empty queue. The partition is down:
jobs queue up and none runs, which would take CPU from what is measured. The controller leaves looking for room to its
scheduler (`defer`, which Slurm's scheduling guide names for high throughput): else it goes through the whole queue at
each submission, which costs the most where the most is submitted. Each round measures all services, one after the
other; a figure is the median over the rounds, a ratio the median of the rounds' ratios.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import peers
from tests.support import load
from tests.support.private_slurm import PrivateSlurm

CLIENTS = (1, 8, 32)
BRIDGE, SLURMRESTD, DEMO = "this bridge", "slurmrestd", "Flask + sbatch"
SERVICES: Mapping[str, peers.Starter] = {
    BRIDGE: peers.bridge,
    SLURMRESTD: peers.slurmrestd,
    DEMO: peers.flask_and_sbatch,
}
SETTLE_SECONDS = 12  # after its start the bridge looks for what an earlier one left behind, for ten seconds
WARM_UP_SECONDS = 1
OVERRIDES = {"MaxJobCount": "1000000", "SchedulerParameters": "defer"}
PARTITIONS = ("PartitionName=normal Default=YES Nodes=ALL State=DOWN MaxTime=INFINITE",)


@dataclass(frozen=True, slots=True)
class Figure:
    """One measurement."""

    load: load.Load
    service_cpu_milliseconds: float  # a job
    slurm_cpu_milliseconds: float  # a job, of slurmctld and slurmd


@contextmanager
def fresh_slurm(overrides: Mapping[str, str] = {}) -> Iterator[tuple[PrivateSlurm, Path]]:
    """A Slurm on tmpfs: on a busy disk the controller's saved state would be what is measured."""
    with tempfile.TemporaryDirectory(prefix="bench-", dir="/dev/shm") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "slurm").mkdir()
        with PrivateSlurm(folder / "slurm", overrides={**OVERRIDES, **overrides}, partitions=PARTITIONS) as slurm:
            yield slurm, folder


def measure(start: peers.Starter, clients: int, seconds: int) -> Figure:
    """A service that has been up for a while, under the load of `clients`."""
    with fresh_slurm() as (slurm, folder), start(slurm, folder) as service:
        time.sleep(SETTLE_SECONDS)
        load.post(service.url, service.body, service.headers, clients=clients, seconds=WARM_UP_SECONDS)
        service_before, slurm_before = peers.cpu_seconds([service.pid]), peers.cpu_seconds(slurm.daemon_pids)
        result = load.post(service.url, service.body, service.headers, clients=clients, seconds=seconds)
        service_spent = peers.cpu_seconds([service.pid]) - service_before
        slurm_spent = peers.cpu_seconds(slurm.daemon_pids) - slurm_before
    return Figure(result, 1000 * service_spent / result.requests, 1000 * slurm_spent / result.requests)


def measure_pyslurm(seconds: int) -> float:
    """Submissions a second of one process that does nothing else."""
    with fresh_slurm() as (slurm, _):
        return float(peers.run_as_service_user(slurm, "bench.raw_pyslurm", str(seconds)))


def print_table(
    rounds: Sequence[Mapping[tuple[str, int], Figure]], raw: Sequence[float], numbers_of_clients: Sequence[int]
) -> None:
    """The table of the README."""

    def median(name: str, clients: int, of: str) -> float:
        return statistics.median([float(getattr(figures[name, clients].load, of)) for figures in rounds])

    def ratio(clients: int, of: str, to: str) -> float:
        pairs = [(figures[BRIDGE, clients].load, figures[to, clients].load) for figures in rounds]
        return statistics.median([float(getattr(ours, of) / getattr(theirs, of)) for ours, theirs in pairs])

    print("| clients | service | submissions/s | p50 ms | p99 ms | service CPU ms/job | Slurm CPU ms/job |")
    print("|---|---|---|---|---|---|---|")
    for clients in numbers_of_clients:
        for name in SERVICES:
            cpu = [
                statistics.median(getattr(figures[name, clients], of) for figures in rounds)
                for of in ("service_cpu_milliseconds", "slurm_cpu_milliseconds")
            ]
            latencies = [median(name, clients, of) for of in ("p50_milliseconds", "p99_milliseconds")]
            print(
                f"| {clients} | {name} | {median(name, clients, 'per_second'):,.0f} "
                f"| {latencies[0]:.2f} | {latencies[1]:.2f} | {cpu[0]:.2f} | {cpu[1]:.2f} |"
            )
    print(f"\nraw pyslurm, one process: {statistics.median(raw):,.0f} submissions/s\n")
    print("| this bridge to | clients | throughput | p50 |")
    print("|---|---|---|---|")
    for to in (SLURMRESTD, DEMO):
        for clients in numbers_of_clients:
            throughput, p50 = ratio(clients, "per_second", to), ratio(clients, "p50_milliseconds", to)
            print(f"| {to} | {clients} | {throughput:.2f}x | {p50:.2f}x |")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.submit")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5, help="of load for each measurement (default: 5)")
    parser.add_argument("--clients", type=int, nargs="+", default=CLIENTS, help="(default: 1 8 32)")
    options = parser.parse_args()
    rounds: list[dict[tuple[str, int], Figure]] = []
    raw: list[float] = []
    for number in range(1, options.rounds + 1):
        figures: dict[tuple[str, int], Figure] = {}
        for clients in options.clients:
            for name, start in SERVICES.items():
                figure = figures[name, clients] = measure(start, clients, options.seconds)
                progress = f"round {number} of {options.rounds}, {clients} clients, {name}"
                print(f"{progress}: {figure.load.per_second:,.0f}/s", file=sys.stderr)
        rounds.append(figures)
        raw.append(measure_pyslurm(options.seconds))
    print_table(rounds, raw, options.clients)


if __name__ == "__main__":
    main()
