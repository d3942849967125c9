"""The extractor: parses and quality control of a large file, beside an earlier state of its code.

Usage, as root in the box, which gets the earlier state from git:
    git archive 5232e3d extractor bridge | sudo ./container/shell python -m bench.extractor [--rows 2000000]

A file of regular times and four columns of numbers lies on tmpfs, and so do the datastores: SQLite, and a PostgreSQL of
its own (without fsync). Each state of the code starts with an empty datastore, and goes through all steps in it: the
first parse, the same parse again, quality control by four tests. Each step is a process of its own, as in a job; its
memory is the most that was resident. What PostgreSQL's own processes use is in the time alone. A figure is the median
over the rounds, a ratio the median of the rounds' ratios.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from tests.support import postgresql
from tests.support.bridge_process import ROOT

BEFORE, NOW = "before", "now"
SQLITE, POSTGRESQL = "SQLite", "PostgreSQL"
THING = "ce2b4fb6-d9de-11eb-a236-125e5a40a845"
COLUMNS = 4
TIME_FORMAT = "%Y-%m-%d %H:%M:%S"
PARSER = {"delimiter": ",", "header": 1, "timestamp_column": 0, "timestamp_format": TIME_FORMAT}
TESTS = [
    {"position": str(column), "function": "flagRange", "kwargs": {"min": 1, "max": 99}}
    for column in range(1, COLUMNS + 1)
]
PROPERTIES = {
    "parsers": [{"type": "CsvParser", "settings": PARSER}],
    "QAQC": {"default": 0, "configs": [{"type": "SaQC", "name": "usual", "context_window": 3, "tests": TESTS}]},
}
STEPS: Mapping[str, Sequence[str]] = {
    "first parse": ("parse", "-p", "CsvParser", "-s", "{source}"),
    "repeated parse": ("parse", "-p", "CsvParser", "-s", "{source}"),
    "quality control": ("run-qaqc",),
}
MAKE_DATASTORE = """
import json, sys, uuid
from extractor import store
engine = store.connect(sys.argv[1])
store.create_tables(engine)
store.add_thing(engine, uuid.UUID(sys.argv[2]), "station", json.loads(sys.argv[3]))
"""


@dataclass(frozen=True, slots=True)
class Figure:
    """What one process took."""

    seconds: float
    cpu_seconds: float
    peak_mib: float


@dataclass(frozen=True, slots=True)
class Extractor:
    """A state of the code, and the interpreter that runs it."""

    python: str
    tree: Path
    file: Path

    def make_datastore(self, target: str) -> None:
        """Tables with the thing."""
        self._run("-c", MAKE_DATASTORE, target, THING, json.dumps(PROPERTIES))

    def measure(self, step: str, target: str) -> Figure:
        """One step, as a job runs it."""
        command = [word.format(source=f"file://{self.file}") for word in STEPS[step]]
        return self._run(str(self.tree / "extractor" / "main.py"), *command, "-t", target, "-d", THING, "-m", "None")

    def _run(self, *arguments: str) -> Figure:
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(self.tree), "PYTHONDONTWRITEBYTECODE": "1"}
        environment["EXTRACTOR_FILE_ROOTS"] = str(self.file.parent)
        begun_at = time.monotonic()
        process = subprocess.Popen([self.python, *arguments], env=environment, cwd="/", stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"{self.tree}: {arguments[:2]} ended with {process.returncode}")
        return Figure(time.monotonic() - begun_at, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def write_file(path: Path, rows: int) -> None:
    """A logger's file: one row a minute."""
    numbers = random.Random(1)  # noqa: S311 - figures, not secrets
    with path.open("w") as file:
        file.write(",".join(["time", *(f"c{column}" for column in range(COLUMNS))]) + "\n")
        for row in range(rows):
            moment = datetime(2020, 1, 1) + timedelta(minutes=row)  # noqa: DTZ001 - as loggers write it
            values = ",".join(f"{numbers.uniform(0, 100):.3f}" for _ in range(COLUMNS))
            file.write(f"{moment:{TIME_FORMAT}},{values}\n")


@contextmanager
def datastore(database: str, folder: Path) -> Iterator[str]:
    """The URI of an empty database, which is gone afterwards."""
    if database == POSTGRESQL:
        with postgresql.running() as server:
            yield server.uri(server.create_database())
    else:
        with tempfile.TemporaryDirectory(dir=folder) as name:
            yield f"sqlite:///{name}/data.sqlite"


Round = dict[tuple[str, str, str], Figure]  # by database, step and state of the code


def measure_round(
    extractors: Mapping[str, Extractor], databases: Sequence[str], steps: Sequence[str], folder: Path
) -> Round:
    """The steps of all, one after the other."""
    figures: Round = {}
    for database in databases:
        for name, extractor in extractors.items():
            with datastore(database, folder) as target:
                extractor.make_datastore(target)
                for step in steps:
                    figure = figures[database, step, name] = extractor.measure(step, target)
                    print(f"{database}, {step}, {name}: {figure}", file=sys.stderr)
    return figures


def print_table(rounds: Sequence[Round], databases: Sequence[str], steps: Sequence[str]) -> None:
    """All steps, and how they compare."""

    def median(key: tuple[str, str, str], of: str) -> float:
        return statistics.median([float(getattr(figures[key], of)) for figures in rounds])

    def ratio(database: str, step: str, of: str) -> float:
        pairs = [(figures[database, step, BEFORE], figures[database, step, NOW]) for figures in rounds]
        return statistics.median([float(getattr(before, of) / getattr(now, of)) for before, now in pairs])

    print("| datastore | step | before s | now s | faster | CPU | memory MiB before | now |")
    print("|---|---|---|---|---|---|---|---|")
    for database in databases:
        for step in steps:
            seconds, peaks = (
                [median((database, step, name), of) for name in (BEFORE, NOW)] for of in ("seconds", "peak_mib")
            )
            faster, cpu = (f"{ratio(database, step, of):.1f}x" for of in ("seconds", "cpu_seconds"))
            print(
                f"| {database} | {step} | {seconds[0]:.1f} | {seconds[1]:.1f} | {faster} | {cpu} "
                f"| {peaks[0]:,.0f} | {peaks[1]:,.0f} |"
            )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.extractor")
    parser.add_argument("--rows", type=int, default=2_000_000, help="of the file (default: 2000000)")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--databases", nargs="+", choices=(SQLITE, POSTGRESQL), default=(SQLITE, POSTGRESQL))
    parser.add_argument("--steps", nargs="+", choices=tuple(STEPS), default=tuple(STEPS), help="(default: all)")
    parser.add_argument("--python", default="/opt/extractor/bin/python", help="with the extractor's requirements")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-", dir="/dev/shm") as name:
        folder = Path(name)
        with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as archive:
            archive.extractall(folder / BEFORE, filter="data")
        file = folder / "data.csv"
        write_file(file, options.rows)
        trees = {BEFORE: folder / BEFORE, NOW: ROOT}
        extractors = {name: Extractor(options.python, tree, file) for name, tree in trees.items()}
        rounds = [measure_round(extractors, options.databases, options.steps, folder) for _ in range(options.rounds)]
    print_table(rounds, options.databases, options.steps)


if __name__ == "__main__":
    main()
