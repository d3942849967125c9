"""20,000 submissions: does the memory of the web process or of a worker grow?

Usage, as root in the box: ./container/shell python -m bench.soak

The bridge remembers jobs that have left the queue, up to a bound: what is measured begins once this memory is full.
No job of the bench runs; they leave the queue as they are cancelled after each round.
"""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from bench import peers
from bench.submit import fresh_slurm
from bridge.jobs.status.queue_snapshot import REMEMBERED_MAX
from tests.support.bridge_process import SERVICE_USER, children_of
from tests.support.private_slurm import PrivateSlurm

SUBMISSIONS = 20_000
ROUND = 5_000  # submissions; as many each time, as the queue takes memory, too
CLIENTS = 8
LEAVE_SECONDS = 180  # for the controller to forget all jobs
NOTICE_SECONDS = 35  # for the bridge to see that: it looks every 30 s while nobody asks


def main() -> None:
    """Measure and print."""
    with fresh_slurm({"MinJobAge": "2"}) as (slurm, folder), peers.bridge(slurm, folder) as service:
        for filled in range(0, REMEMBERED_MAX + ROUND, ROUND):  # the last, with a full memory, takes the most at once
            print(f"{filled:,} submissions before what is measured", file=sys.stderr)
            submit_round(slurm, service)
        first_web, first_worker = memory_mib(service)
        print("| submissions | web process MiB | largest worker MiB |\n|---|---|---|")
        print(f"| 0 | {first_web:.1f} | {first_worker:.1f} |", flush=True)
        for done in range(ROUND, SUBMISSIONS + ROUND, ROUND):
            submit_round(slurm, service)
            web, worker = memory_mib(service)
            print(f"| {done:,} | {web:.1f} | {worker:.1f} |", flush=True)
        print(f"\ngrowth: web process {web - first_web:+.1f} MiB, largest worker {worker - first_worker:+.1f} MiB")


def submit_round(slurm: PrivateSlurm, service: peers.Service) -> None:
    """Submit jobs, and let all of them leave the queue."""
    with ThreadPoolExecutor(CLIENTS) as clients:
        list(clients.map(submit, [service] * CLIENTS, [ROUND // CLIENTS] * CLIENTS))
    slurm.run("scancel", "--ctld", f"--user={SERVICE_USER}")
    give_up_at = time.monotonic() + LEAVE_SECONDS
    while slurm.run("squeue", "--noheader", "--states=all", "--format=%i"):
        if time.monotonic() > give_up_at:
            raise RuntimeError(f"the controller still knows jobs {LEAVE_SECONDS} s after they were cancelled")
        time.sleep(1)
    time.sleep(NOTICE_SECONDS)


def submit(service: peers.Service, count: int) -> None:
    """Submit `count` jobs, one after the other. Raises `RuntimeError` where one is refused."""
    url = urlsplit(service.url)
    connection = HTTPConnection(url.netloc)
    for _ in range(count):
        connection.request("POST", url.path, json.dumps(service.body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 202:
            raise RuntimeError(f"the bridge answered {answer.status}: {text.decode()}")
    connection.close()


def memory_mib(service: peers.Service) -> tuple[float, float]:
    """What the web process takes, and the largest of its children."""
    return proportional_mib(service.pid), max(map(proportional_mib, children_of(service.pid)))


def proportional_mib(pid: int) -> float:
    """Shared pages divided by those who share them: Pss of proc(5)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


if __name__ == "__main__":
    main()
