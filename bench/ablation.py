"""What each trick for speed of the web process gives: the service with it and without it, side by side.

Usage, as root in the box: ./container/shell python -m bench.ablation [stay head+log ...] [--of submit] [--rounds 4]

The service as it is runs beside some that do without a trick (see `bench.without`), and only one is asked at a time.
A round asks each once for every number of clients; the order changes from round to round. Status reads share one
Slurm with 500 jobs. For submissions each service has a Slurm of its own, made as for `bench.submit` and new in each
round: so all have a queue of the same length, and none looks at what another has submitted.

A figure is the median over the rounds; a gain is the median of the rounds' ratios, with the trick to without it. The
row "nothing" is the service as it is a second time, and so tells how far a gain is noise.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import peers
from bench.status import ASKED_FOR, fill
from bench.submit import SETTLE_SECONDS, WARM_UP_SECONDS, fresh_slurm
from bench.without import TRICKS, VARIABLE, names_of
from tests.support import load
from tests.support.bridge_process import running_bridge
from tests.support.private_slurm import PrivateSlurm
from tests.support.samples import QAQC_BODY

AS_IT_IS, NOTHING = "as it is", "nothing"
SLURMS_AT_ONCE = 5  # beside that of the service as it is
SUBMIT, STATUS = "submit", "status"
CLIENTS = {SUBMIT: (1, 8, 32), STATUS: (1, 8, 64)}
THINGS = {SUBMIT: "submissions", STATUS: "status reads"}


@dataclass(frozen=True, slots=True)
class Figure:
    """One measurement."""

    per_second: float
    p50_milliseconds: float
    p99_milliseconds: float
    cpu_milliseconds: float  # of the web process without its workers, a request


Round = dict[tuple[str, int], Figure]  # by name and number of clients


@dataclass(frozen=True, slots=True)
class Service:
    """One that runs."""

    url: str
    pid: int
    paths: Sequence[str]  # of the jobs to ask for; none: submit

    def ask(self, clients: int, seconds: int) -> Figure:
        """Put it under load."""
        before = web_cpu_seconds(self.pid)
        if self.paths:
            result = load.get(self.url, self.paths, {}, clients=clients, seconds=seconds)
        else:
            result = load.post(f"{self.url}/qaqc/run", QAQC_BODY, {}, clients=clients, seconds=seconds)
        spent = web_cpu_seconds(self.pid) - before
        return Figure(
            result.per_second, result.p50_milliseconds, result.p99_milliseconds, 1000 * spent / result.requests
        )


def web_cpu_seconds(pid: int) -> float:
    """CPU time of the threads of a process that starts and ends none meanwhile (proc(5): schedstat)."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


def status_rounds(variants: Sequence[str], rounds: int, seconds: int) -> Iterator[Round]:
    """Reads of the service as it is and of `variants`, each a name of tricks to do without."""
    with fresh_slurm() as (slurm, folder), ExitStack() as stack:
        paths = [f"/jobs/{job_id}" for job_id in fill(slurm, ASKED_FOR)]
        names = (AS_IT_IS, *variants)
        services = {name: stack.enter_context(_running(slurm, folder, name, paths)) for name in names}
        time.sleep(SETTLE_SECONDS)
        for number in range(rounds):
            yield _round(services, STATUS, number, seconds)


def submit_rounds(variants: Sequence[str], rounds: int, seconds: int) -> Iterator[Round]:
    """Submissions to the same."""
    for number in range(rounds):
        with ExitStack() as stack:
            services = {}
            for name in (AS_IT_IS, *variants):
                slurm, folder = stack.enter_context(fresh_slurm())
                services[name] = stack.enter_context(_running(slurm, folder, name, ()))
            time.sleep(SETTLE_SECONDS)
            yield _round(services, SUBMIT, number, seconds)


@contextmanager
def _running(slurm: PrivateSlurm, folder: Path, name: str, paths: Sequence[str]) -> Iterator[Service]:
    own_folder = folder / name.replace(" ", "-")
    own_folder.mkdir()
    without = "" if name in (AS_IT_IS, NOTHING) else name
    environment = {**peers.bridge_environment(slurm, own_folder), VARIABLE: without}
    with running_bridge(own_folder, environment, program="bench.without") as running:
        yield Service(running.url, running.process.pid, paths)


def _round(services: dict[str, Service], what: str, number: int, seconds: int) -> Round:
    figures: Round = {}
    names = list(services)
    names = [*names[number % len(names) :], *names[: number % len(names)]][:: -1 if number % 2 else 1]
    for name in names:
        services[name].ask(8, WARM_UP_SECONDS)
    for clients in CLIENTS[what]:
        for name in names:
            figures[name, clients] = services[name].ask(clients, seconds)
    told = [f"{name} {' '.join(f'{figures[name, n].per_second:,.0f}' for n in CLIENTS[what])}" for name in services]
    print(f"{what}, round {number + 1}: {'; '.join(told)}", file=sys.stderr)
    return figures


def gains(rounds: Sequence[Round], name: str, clients: int, of: str) -> list[float]:
    """In percent, of each round: how much more `of` there is with the trick than without."""
    pairs = [(figures[AS_IT_IS, clients], figures[name, clients]) for figures in rounds]
    return [100 * (float(getattr(ours, of)) / float(getattr(other, of)) - 1) for ours, other in pairs]


def title_of(name: str) -> str:
    """What the tables call it."""
    return name if name == NOTHING else " + ".join(TRICKS[trick].title for trick in names_of(name))


def print_tables(what: str, rounds: Sequence[Round], names: Sequence[str]) -> None:
    """A row for each trick and number of clients, and then a sentence for each."""
    head = ["without", "clients", f"{what}/s", "p50 ms", "p99 ms", "web CPU ms"]
    head += ["with it: more a second (rounds)", "p50", "p99", "web CPU"]
    print("|".join(["", *(f" {word} " for word in head), ""]), "|---" * len(head) + "|", sep="\n")
    own_rounds = {name: [figures for figures in rounds if (name, CLIENTS[what][0]) in figures] for name in names}
    for name in names:
        for clients in CLIENTS[what]:
            print(_row(own_rounds[name], name, clients))
    print()
    for name in names:
        for clients in CLIENTS[what]:
            values = gains(own_rounds[name], name, clients, "per_second")
            print(
                f"{title_of(name)}: gives {statistics.median(values):+.1f} % of {THINGS[what]} at {clients} clients "
                f"({min(values):+.1f}..{max(values):+.1f})"
            )


def _row(rounds: Sequence[Round], name: str, clients: int) -> str:
    def median(of: str) -> float:
        return statistics.median(float(getattr(figures[name, clients], of)) for figures in rounds)

    def gain(of: str) -> str:
        return f"{statistics.median(gains(rounds, name, clients, of)):+.1f} %"

    values = gains(rounds, name, clients, "per_second")
    return (
        f"| {title_of(name)} | {clients} | {median('per_second'):,.0f} | {median('p50_milliseconds'):.2f} "
        f"| {median('p99_milliseconds'):.2f} | {median('cpu_milliseconds'):.3f} "
        f"| {gain('per_second')} ({min(values):+.1f}..{max(values):+.1f}) "
        f"| {gain('p50_milliseconds')} | {gain('p99_milliseconds')} | {gain('cpu_milliseconds')} |"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.ablation")
    parser.add_argument("tricks", nargs="*", help="to do without, all by default; several at once: stay+head")
    parser.add_argument("--of", choices=CLIENTS, nargs="+", default=list(CLIENTS))
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=int, default=2, help="of load for each measurement (default: 2)")
    options = parser.parse_args()
    for name in options.tricks:
        names_of(name)  # all are known, before anything is measured
    names = [*(options.tricks or TRICKS), NOTHING]
    for what in options.of:
        rounds: list[Round] = []
        if what == STATUS:
            rounds += status_rounds(names, options.rounds, options.seconds)
        else:
            for first in range(0, len(names), SLURMS_AT_ONCE):
                rounds += submit_rounds(names[first : first + SLURMS_AT_ONCE], options.rounds, options.seconds)
        print_tables(what, rounds, names)


if __name__ == "__main__":
    main()
