"""How jobs stand: this bridge and slurmrestd side by side on one Slurm with a long queue, and an empty responder.

Usage, as root in the box: ./container/shell python -m bench.status [--rounds 3] [--seconds 5]

The partition is down: the jobs wait. Each round asks all services, one after the other, for one job at a time out of
500, and once for a list; the controller's own counters (sdiag) tell what that cost it. A figure is the median over the
rounds, a ratio the median of the rounds' ratios. At the end the bridge alone, with single jobs in the queue and with as
many elements of arrays.
"""

import argparse
import re
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from bench import peers
from bench.submit import fresh_slurm
from bridge.client import Bridge
from tests.support import load
from tests.support.bridge_process import children_of
from tests.support.private_slurm import PrivateSlurm
from tests.support.samples import QAQC_BODY

JOBS_SHORT, JOBS, JOBS_LONG = 100, 14_000, 20_000
BATCH_ITEMS = 1000
CLIENTS = (1, 8, 64)
ASKED_FOR = 500  # different jobs
LIST = "list"
SETTLE_SECONDS = 12  # after its start the bridge looks for what an earlier one left behind, for ten seconds
BRIDGE, SLURMRESTD, EMPTY = "this bridge", "slurmrestd", "empty Falcon responder"
STARTERS: Mapping[str, Callable[[PrivateSlurm, Path], AbstractContextManager[peers.StatusService]]] = {
    BRIDGE: peers.bridge_status,
    SLURMRESTD: peers.slurmrestd_status,
    EMPTY: peers.empty_falcon,
}


@dataclass(frozen=True, slots=True)
class Figure:
    """One measurement."""

    load: load.Load
    rpcs_per_second: float  # that the controller handled


def fill(slurm: PrivateSlurm, count: int) -> list[str]:
    """Submit so many jobs more; returns their ids."""
    return peers.run_as_service_user(slurm, "bench.fill", str(count)).split()


def measure(slurm: PrivateSlurm, service: peers.StatusService, paths: Sequence[str], clients: int, s: int) -> Figure:
    """The service under the load of `clients` for `s` seconds."""
    before, begun_at = count_rpcs(slurm), time.monotonic()
    result = load.get(service.url, paths, service.headers, clients=clients, seconds=s)
    return Figure(result, (count_rpcs(slurm) - before) / (time.monotonic() - begun_at))


def count_rpcs(slurm: PrivateSlurm) -> int:
    """How many requests of any kind the controller has handled."""
    by_type, _, _ = slurm.run("sdiag", "--all").partition("Remote Procedure Call statistics by user")
    return sum(map(int, re.findall(r"count:(\d+)", by_type)))


def p50_of_bridge(slurm: PrivateSlurm, folder: Path, ids: Sequence[str], seconds: int) -> tuple[float, str]:
    """The median latency of one client, in milliseconds; and the memory of the processes, in words."""
    folder.mkdir()
    with peers.bridge_status(slurm, folder) as service:
        time.sleep(SETTLE_SECONDS)
        figure = measure(slurm, service, [service.job_path(job_id) for job_id in ids[:ASKED_FOR]], 1, seconds)
        reader = max(rss_mib(pid) for pid in children_of(service.pid))
        memory = f"web process {rss_mib(service.pid):.0f} MiB, the worker that looks at the queue {reader:.0f} MiB"
    return figure.load.p50_milliseconds, memory


def rss_mib(pid: int) -> float:
    """Resident memory of a process, what it shares with others included."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) / 1024


def measure_round(
    slurm: PrivateSlurm, folder: Path, ids: Sequence[str], seconds: int
) -> dict[tuple[str, object], Figure]:
    """All services."""
    return {
        (name, what): figure
        for name in STARTERS
        for what, figure in measure_rows(name, slurm, folder / name.replace(" ", "-"), ids, seconds).items()
    }


def measure_rows(
    name: str, slurm: PrivateSlurm, folder: Path, ids: Sequence[str], seconds: int
) -> dict[object, Figure]:
    """One service, by the number of clients, and for a list."""
    folder.mkdir()
    with STARTERS[name](slurm, folder) as service:
        if name == BRIDGE:
            time.sleep(SETTLE_SECONDS)
        paths = [service.job_path(job_id) for job_id in ids[:ASKED_FOR]]
        load.get(service.url, paths, service.headers, clients=8, seconds=1)
        figures: dict[object, Figure] = {
            clients: measure(slurm, service, paths, clients, seconds) for clients in CLIENTS
        }
        if service.list_path:
            # slurmrestd takes some seconds for one
            list_seconds = seconds if name == BRIDGE else 30
            figures[LIST] = measure(slurm, service, [service.list_path], 1, list_seconds)
    return figures


def p50_of_elements(seconds: int) -> dict[object, tuple[float, float]]:
    """With `JOBS_LONG` single jobs in the queue, and with as many elements of arrays, in milliseconds."""
    rows = []
    for fill_queue in (fill, fill_with_elements):
        with fresh_slurm() as (slurm, folder):
            rows.append(measure_rows(BRIDGE, slurm, folder / "measured", fill_queue(slurm, JOBS_LONG), seconds))
    single, elements = rows
    return {what: (single[what].load.p50_milliseconds, elements[what].load.p50_milliseconds) for what in single}


def fill_with_elements(slurm: PrivateSlurm, count: int) -> list[str]:
    """Submit so many jobs in batches; returns their ids."""
    folder = slurm.folder.with_name("fill")
    folder.mkdir()
    with peers.bridge(slurm, folder) as service:
        client = Bridge(service.url.removesuffix("/qaqc/run"))
        batches = [client.submit_batch("qaqc", [QAQC_BODY] * BATCH_ITEMS) for _ in range(count // BATCH_ITEMS)]
    return [job.job_id for batch in batches for job in batch.jobs]


def print_tables(rounds: Sequence[Mapping[tuple[str, object], Figure]]) -> None:
    """Those of the README."""

    def median(name: str, what: object, of: str) -> float:
        return statistics.median([float(getattr(figures[name, what].load, of)) for figures in rounds])

    def ratio(what: object, to: str, of: str) -> float:
        pairs = [(figures[BRIDGE, what].load, figures[to, what].load) for figures in rounds]
        return statistics.median([float(getattr(ours, of) / getattr(theirs, of)) for ours, theirs in pairs])

    print("| asked for | clients | service | answers/s | p50 ms | p99 ms | RPCs/s at the controller |")
    print("|---|---|---|---|---|---|---|")
    for what in (*CLIENTS, LIST):
        for name in STARTERS:
            if (name, what) not in rounds[0]:
                continue
            rpcs = statistics.median([figures[name, what].rpcs_per_second for figures in rounds])
            label = ("a list", 1) if what == LIST else ("one job", what)
            latencies = [median(name, what, of) for of in ("p50_milliseconds", "p99_milliseconds")]
            print(
                f"| {label[0]} | {label[1]} | {name} | {median(name, what, 'per_second'):,.1f} "
                f"| {latencies[0]:,.2f} | {latencies[1]:,.2f} | {rpcs:,.1f} |"
            )
    print("\n| this bridge to | asked for | clients | throughput | p50 |\n|---|---|---|---|---|")
    for to in (SLURMRESTD, EMPTY):
        for what in CLIENTS:
            print(
                f"| {to} | one job | {what} | {ratio(what, to, 'per_second'):.2f}x "
                f"| {ratio(what, to, 'p50_milliseconds'):.3f}x |"
            )
    faster = statistics.median([1 / value for value in [ratio(LIST, SLURMRESTD, "p50_milliseconds")]])
    print(f"\nthe first page of the list: {faster:,.0f} times as fast as slurmrestd's list")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.status")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5, help="of load for each measurement (default: 5)")
    options = parser.parse_args()
    with fresh_slurm() as (slurm, folder):
        ids = fill(slurm, JOBS_SHORT)
        short, _ = p50_of_bridge(slurm, folder / "short", ids, options.seconds)
        ids += fill(slurm, JOBS - JOBS_SHORT)
        rounds = []
        for number in range(1, options.rounds + 1):
            print(f"round {number} of {options.rounds}", file=sys.stderr)
            (folder / f"round-{number}").mkdir()
            rounds.append(measure_round(slurm, folder / f"round-{number}", ids, options.seconds))
        fill(slurm, JOBS_LONG - JOBS)
        long, memory = p50_of_bridge(slurm, folder / "long", ids, options.seconds)
    print(f"{JOBS:,} jobs in the queue\n")
    print_tables(rounds)
    print(
        f"one job, 1 client, p50: {short:.2f} ms with {JOBS_SHORT} jobs in the queue, {long:.2f} ms with {JOBS_LONG:,}"
        f" ({long / short:.2f}x)\n{memory}"
    )
    for what, (single_milliseconds, element_milliseconds) in p50_of_elements(options.seconds).items():
        asked_for = "a list" if what == LIST else f"one job, {what} clients"
        print(
            f"{asked_for}, p50: {single_milliseconds:.2f} ms with {JOBS_LONG:,} jobs in the queue, "
            f"{element_milliseconds:.2f} ms with as many elements of arrays "
            f"({element_milliseconds / single_milliseconds:.2f}x)"
        )


if __name__ == "__main__":
    main()
