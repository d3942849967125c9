"""What clients that wait for news of a job cost those who submit.

Usage, as root in the box: ./container/shell python -m bench.waiting [--rounds 5] [--seconds 5]

Each round measures submissions without and with the clients that wait, each time on a Slurm and a bridge of its own;
the ratio is the median of the rounds' ratios.
"""

import argparse
import statistics
import threading
import time
from http.client import HTTPConnection
from urllib.parse import urlsplit

from bench import peers
from bench.submit import SETTLE_SECONDS, fresh_slurm
from tests.support import load

WAITERS = 200
SUBMITTERS = 8


def measure(waiters: int, seconds: int) -> load.Load:
    """Submissions, while so many clients wait. Raises `LoadError` where one of those had its answer."""
    answers: list[int] = []
    with fresh_slurm() as (slurm, folder), peers.bridge(slurm, folder) as service:
        address = urlsplit(service.url).netloc
        load.post(service.url, service.body, service.headers, clients=1, seconds=1)
        for _ in range(waiters):
            threading.Thread(target=wait, args=(address, answers), daemon=True).start()
        time.sleep(SETTLE_SECONDS)
        result = load.post(service.url, service.body, service.headers, clients=SUBMITTERS, seconds=seconds)
        if answers:
            raise load.LoadError(f"{len(answers)} of the clients were not let wait: {set(answers)}")
        return result


def wait(address: str, answers: list[int]) -> None:
    """Until the job changes, which it does not, or the bridge ends; the status of the answer goes to `answers`."""
    connection = HTTPConnection(address, timeout=300)
    try:
        connection.request("GET", "/jobs/1?wait=300")
        answers.append(connection.getresponse().status)
    except OSError:
        return  # the bridge has ended
    finally:
        connection.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.waiting")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5, help="of load for each measurement (default: 5)")
    options = parser.parse_args()
    ratios = []
    for number in range(1, options.rounds + 1):
        alone, beside = measure(0, options.seconds), measure(WAITERS, options.seconds)
        ratios.append(beside.p99_milliseconds / alone.p99_milliseconds)
        print(
            f"round {number} of {options.rounds}: p99 {alone.p99_milliseconds:.1f} ms alone, "
            f"{beside.p99_milliseconds:.1f} ms beside {WAITERS} clients that wait; "
            f"{alone.per_second:,.0f} and {beside.per_second:,.0f} submissions/s"
        )
    print(f"p99 beside {WAITERS} clients that wait to p99 alone: {statistics.median(ratios):.2f}x")


if __name__ == "__main__":
    main()
