"""What open pages cost the controller, and clients that submit.

Usage, as root in the box: ./container/shell python -m bench.pages [--pages 50] [--rounds 5] [--seconds 5]

Each page sends the requests of the overview, as often as it does. First no client submits: the bench counts the
requests at the controller and the CPU time of the service, workers included, with some thousand jobs in the queue. Each
round measures submissions beside one client that asks how a job stands, for whom the bridge looks at the queue once a
second, and beside the pages; each time on a Slurm and a bridge of its own. The ratio is the median of the rounds'
ratios.
"""

import argparse
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection
from urllib.parse import urlsplit

from bench import peers
from bench.submit import SETTLE_SECONDS, fresh_slurm
from tests.support import load
from tests.support.private_slurm import PrivateSlurm

SUBMITTERS = 8
COUNT_SECONDS = 20
# Path, and seconds from one answer to the next question, as in bridge/http/page/static.
Asked = tuple[tuple[str, float], ...]
PAGE: Asked = (("/history?span=hour", 3.0), ("/jobs?limit=10", 3.0), ("/failures", 10.0))
CLIENT: Asked = (("/jobs/1", 1.0),)


@contextmanager
def asking(url: str, asked: Asked, count: int) -> Iterator[list[int]]:
    """So many who ask that, and begin one after the other; yields the statuses of all answers."""
    statuses: list[int] = []
    ended = threading.Event()
    threads = [
        threading.Thread(
            target=watch, args=(urlsplit(url).netloc, path, pause, pause * number / count, statuses, ended)
        )
        for number in range(count)
        for path, pause in asked
    ]
    for thread in threads:
        thread.start()
    try:
        yield statuses
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def watch(address: str, path: str, pause: float, delay: float, statuses: list[int], ended: threading.Event) -> None:
    """Ask again and again, with the tag of the last answer."""
    with closing(HTTPConnection(address, timeout=60)) as connection:
        headers: dict[str, str] = {}
        while not ended.wait(delay):
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            answer.read()
            statuses.append(answer.status)
            if tag := answer.headers["ETag"]:
                headers["If-None-Match"] = tag
            delay = pause


def cost(slurm: PrivateSlurm, service: peers.Service, pages: int) -> tuple[float, float]:
    """Requests a second at the controller, and the share of a CPU that the service takes, while nobody submits."""
    with asking(service.url, PAGE, pages) as statuses:
        time.sleep(max(pause for _, pause in PAGE))  # all are open
        requests, cpu_seconds = slurm.rpc_count(), peers.cpu_seconds([service.pid])
        time.sleep(COUNT_SECONDS)
        cpu_seconds = peers.cpu_seconds([service.pid]) - cpu_seconds
        requests = slurm.rpc_count() - requests - 1  # one is that of the count
    if not set(statuses) <= {200, 304}:
        raise load.LoadError(f"pages were answered {set(statuses)}")
    return requests / COUNT_SECONDS, cpu_seconds / COUNT_SECONDS


def submissions(asked: Asked, count: int, seconds: int) -> load.Load:
    """Beside so many who ask that."""
    with ExitStack() as stack:
        slurm, folder = stack.enter_context(fresh_slurm())
        service = stack.enter_context(peers.bridge(slurm, folder))
        load.post(service.url, service.body, service.headers, clients=1, seconds=1)
        stack.enter_context(asking(service.url, asked, count))
        time.sleep(SETTLE_SECONDS)
        return load.post(service.url, service.body, service.headers, clients=SUBMITTERS, seconds=seconds)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.pages")
    parser.add_argument("--pages", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5, help="of load for each measurement (default: 5)")
    options = parser.parse_args()
    with fresh_slurm() as (slurm, folder), peers.bridge(slurm, folder) as service:
        load.post(service.url, service.body, service.headers, clients=SUBMITTERS, seconds=options.seconds)
        for pages in (0, 1, options.pages):
            requests, cpu_share = cost(slurm, service, pages)
            print(f"{pages} pages: {requests:.2f} requests/s at the controller, {cpu_share:.1%} of a CPU")
    ratios = []
    for number in range(1, options.rounds + 1):
        alone = submissions(CLIENT, 1, options.seconds)
        beside = submissions(PAGE, options.pages, options.seconds)
        ratios.append(beside.p99_milliseconds / alone.p99_milliseconds)
        print(
            f"round {number} of {options.rounds}: p99 {alone.p99_milliseconds:.1f} ms beside one client, "
            f"{beside.p99_milliseconds:.1f} ms beside {options.pages} pages; "
            f"{alone.per_second:,.0f} and {beside.per_second:,.0f} submissions/s"
        )
    print(f"p99 beside {options.pages} pages to p99 beside one client: {statistics.median(ratios):.2f}x")


if __name__ == "__main__":
    main()
