"""All abuse at once beside a pipeline that submits with keys: does it notice, and does each of its jobs run once?

Usage, as root in the box: ./container/shell python -m bench.abuse [MINUTES]

Slow writers, slow readers, unread answers and lists, waits that are given up, a log whose reader stalls most of the
time, and a controller that is stopped for some seconds each minute. It fails where a job ran twice or never, where
`/health` or a status takes too long, and where memory grows. What a server that does nothing takes meanwhile is the
machine's part of that.
"""

import json
import os
import re
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.synchronize import Event
from pathlib import Path
from uuid import uuid4

from bench import peers
from bench.soak import proportional_mib
from tests.support import abusers
from tests.support.bridge_process import STOP_SECONDS, Bridge, service_environment, start_bridge, workers_of
from tests.support.ports import free_port
from tests.support.private_slurm import PrivateSlurm
from tests.support.raw_http import ask, request
from tests.support.samples import PARSE_BODY, QAQC_BODY
from tests.support.waiting import wait_until

ABUSE = (
    abusers.be_slow,
    abusers.read_slowly,
    abusers.read_nothing_as_on_ethernet,
    abusers.read_no_list,
    abusers.wait_and_leave,
)
SUBMISSIONS_PER_SECOND = 5
PIPELINE_THREADS = 200  # a controller that is stopped holds up those of some 20 s
SAMPLE_PAUSE_SECONDS = 0.1
STOP_EACH_SECONDS, STOPPED_SECONDS = 60.0, 8.0
LOG_READ_SECONDS, LOG_STALLED_SECONDS = 5.0, 25.0
REST_SECONDS = 180.0  # until all jobs have run, once nothing is submitted any more
HEALTH_P99_MAX, STATUS_P99_MAX = 0.05, 0.2
GROWTH_MAX_MIB = 40.0  # from the first minute to the last: the bridge remembers the jobs


@dataclass
class Seen:
    """What the well-behaved clients have seen."""

    things: list[str] = field(default_factory=list)  # of jobs that were accepted
    tries: Counter[str] = field(default_factory=Counter)  # answers to submissions, by status
    health_seconds: list[float] = field(default_factory=list)
    status_seconds: list[float] = field(default_factory=list)
    machine_seconds: list[float] = field(default_factory=list)  # of a server that does nothing
    failures: Counter[str] = field(default_factory=Counter)  # of `/health` and status


def main() -> None:
    """Measure and print; the exit status says whether all is well."""
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    with tempfile.TemporaryDirectory(prefix="bench-", dir="/dev/shm") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "slurm").mkdir()
        ran = folder / "ran"
        ran.touch()
        ran.chmod(0o666)
        overrides = {"MinJobAge": "60", "SchedulerParameters": "batch_sched_delay=0,defer"}
        with PrivateSlurm(folder / "slurm", overrides=overrides, cpus=64) as slurm:
            environment = service_environment(slurm, folder, ["/bin/sh", "-c", f"echo $TSM_THING_UUID >>{ran}", "main"])
            environment["BRIDGE_PARSE__EXTRACTOR_COMMAND"] = json.dumps(["/bin/sh", "-c", "sleep 36000", "main"])
            with bridge_with_stalling_log(folder, environment) as bridge:
                sys.exit(0 if measure(slurm, bridge, ran, minutes) else 1)


def measure(slurm: PrivateSlurm, bridge: Bridge, ran: Path, minutes: float) -> bool:
    """Whether all is well."""
    seen, is_over = Seen(), threading.Event()
    port = int(bridge.url.rpartition(":")[2])
    bridge.post("/extractor/run", PARSE_BODY)  # what those who wait and leave wait for
    job_id = bridge.post("/qaqc/run", QAQC_BODY).body["job_id"]
    bridge.wait_until_finished(job_id)
    idle_port = free_port()
    clients = [
        threading.Thread(target=sample, args=(idle_port, "/", seen.machine_seconds, seen.failures, is_over)),
        threading.Thread(target=pipeline, args=(bridge, seen, is_over)),
        threading.Thread(target=sample, args=(port, "/health", seen.health_seconds, seen.failures, is_over)),
        threading.Thread(target=sample, args=(port, f"/jobs/{job_id}", seen.status_seconds, seen.failures, is_over)),
        threading.Thread(target=stop_again_and_again, args=(slurm, is_over)),
    ]
    memory: list[tuple[float, float]] = []
    with ExitStack() as stack:
        stack.enter_context(abusers.abusing(do_nothing, idle_port))
        for abuse in ABUSE:
            stack.enter_context(abusers.abusing(partial(abusers.again_and_again, abuse), port))
        for client in clients:
            client.start()
        try:
            print("| minute | accepted | /health p99 ms | status p99 ms | nothing p99 ms | web MiB | workers MiB |")
            print("|---|---|---|---|---|---|---|", flush=True)
            begun_at, cpu_before = time.monotonic(), peers.cpu_seconds([bridge.process.pid])
            while (elapsed := time.monotonic() - begun_at) < 60 * minutes:
                time.sleep(min(60.0, 60 * minutes - elapsed))
                memory.append(memory_mib(bridge))
                sampled = (seen.health_seconds, seen.status_seconds, seen.machine_seconds)
                figures = [f"{p99_ms(seconds):.1f}" for seconds in sampled] + [f"{mib:.0f}" for mib in memory[-1]]
                minute = f"{(time.monotonic() - begun_at) / 60:.0f}"
                print(f"| {' | '.join([minute, str(len(seen.things)), *figures])} |", flush=True)
            cpu_share = (peers.cpu_seconds([bridge.process.pid]) - cpu_before) / (time.monotonic() - begun_at)
        finally:
            is_over.set()
            for client in clients:
                client.join()
    print(f"\nrequests: {requests_by_route(bridge)}; CPU of the web process: {cpu_share:.0%}", flush=True)
    with suppress(AssertionError):  # what is missing is told below
        wait_until(lambda: ran_once(ran, seen).total() == 0, "all jobs have run", REST_SECONDS)
    return verdict(seen, ran_once(ran, seen), memory)


def verdict(seen: Seen, wrong: Counter[str], memory: list[tuple[float, float]]) -> bool:
    """Print what was seen, and whether it is as it has to be."""
    growth = memory[-1][0] - memory[0][0]
    health, status = p99_ms(seen.health_seconds), p99_ms(seen.status_seconds)
    print(f"\nsubmissions: {len(seen.things)} accepted; answers by status: {dict(seen.tries)}")
    print(f"jobs that did not run once: {dict(wrong) or 'none'}")
    print(
        f"/health, {len(seen.health_seconds)} times: p99 {health:.1f} ms, max {1000 * max(seen.health_seconds):.0f} ms"
    )
    print(
        f"status, {len(seen.status_seconds)} times: p99 {status:.1f} ms, max {1000 * max(seen.status_seconds):.0f} ms"
    )
    print(f"a server that does nothing: p99 {p99_ms(seen.machine_seconds):.1f} ms")
    print(f"of those unanswered: {dict(seen.failures) or 'none'}")
    print(f"web process: {growth:+.0f} MiB from the first minute to the last")
    print(f"load average: {os.getloadavg()}")
    is_quick = health < 1000 * HEALTH_P99_MAX and status < 1000 * STATUS_P99_MAX
    return is_quick and not wrong and not seen.failures and growth < GROWTH_MAX_MIB


def do_nothing(port: int, is_under_way: Event) -> None:
    """An HTTP server on `port` that has nothing to do for an answer."""
    with socket.create_server(("127.0.0.1", port), backlog=100) as listener:
        is_under_way.set()
        while True:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                connection.recv(1 << 16)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


def pipeline(bridge: Bridge, seen: Seen, is_over: threading.Event) -> None:
    """A job each fifth of a second, each with a key and a thing of its own."""
    due_at = time.monotonic()
    with ThreadPoolExecutor(PIPELINE_THREADS) as clients:
        while not is_over.wait(max(0.0, due_at - time.monotonic())):
            due_at += 1 / SUBMISSIONS_PER_SECOND
            clients.submit(submit, bridge, str(uuid4()), seen)


def submit(bridge: Bridge, thing: str, seen: Seen) -> None:
    """As docs/clients.md has it: the same request with the same key until it is accepted."""
    while True:
        try:
            answer = bridge.post("/qaqc/run", {**QAQC_BODY, "thing_uuid": thing}, key=f"key-{thing}")
        except OSError as error:
            seen.tries[type(error).__name__] += 1
            time.sleep(1)
            continue
        seen.tries[str(answer.status)] += 1
        if answer.status in (200, 202):  # 200: an earlier try was accepted
            seen.things.append(thing)
            return
        time.sleep(float(answer.headers["Retry-After"] or 1))


def sample(port: int, path: str, seconds: list[float], failures: Counter[str], is_over: threading.Event) -> None:
    """How long `GET path` takes, on a new connection each time."""
    question = request("GET", path, {"Host": "localhost"})
    while not is_over.wait(SAMPLE_PAUSE_SECONDS):
        begun_at = time.monotonic()
        try:
            status = ask(port, question).status
        except OSError as error:
            failures[f"{path} {type(error).__name__}"] += 1
            continue
        seconds.append(time.monotonic() - begun_at)
        if status != 200:
            failures[f"{path} {status}"] += 1


def stop_again_and_again(slurm: PrivateSlurm, is_over: threading.Event) -> None:
    """`kill -STOP` of the controller for some seconds each minute."""
    while not is_over.wait(STOP_EACH_SECONDS - STOPPED_SECONDS):
        slurm.pause_controller()
        is_over.wait(STOPPED_SECONDS)
        slurm.resume_controller()


@contextmanager
def bridge_with_stalling_log(folder: Path, environment: dict[str, str]) -> Iterator[Bridge]:
    """A bridge whose log goes into a pipe that is read for some seconds, then not for some, and so on."""
    reading, writing = os.pipe()
    is_over = threading.Event()
    reader = threading.Thread(target=read_and_stall, args=(reading, is_over))
    reader.start()
    bridge = start_bridge(folder, environment, log=writing)
    try:
        yield bridge
        bridge.process.terminate()
        if bridge.process.wait(STOP_SECONDS) != 0:
            raise RuntimeError(f"the bridge ended with status {bridge.process.returncode}")
    finally:
        bridge.process.kill()
        bridge.process.wait()
        is_over.set()
        os.close(writing)
        reader.join()
        os.close(reading)


def read_and_stall(descriptor: int, is_over: threading.Event) -> None:
    """Read what there is, and throw it away."""
    os.set_blocking(descriptor, False)
    while not is_over.wait(LOG_STALLED_SECONDS):
        until = time.monotonic() + LOG_READ_SECONDS
        while time.monotonic() < until and not is_over.wait(0.01):
            with suppress(BlockingIOError):
                os.read(descriptor, 1 << 16)


def ran_once(ran: Path, seen: Seen) -> Counter[str]:
    """Of the jobs that were accepted, those that did not run once: how many never, how many more often."""
    times = Counter(ran.read_text().split())
    return Counter("never" if times[thing] == 0 else "more often" for thing in seen.things if times[thing] != 1)


def requests_by_route(bridge: Bridge) -> dict[str, int]:
    """How many were answered, by route and status."""
    text = bridge.get_bytes("/metrics").body.decode()
    pattern = r'^tsm_bridge_http_requests_total\{route="([^"]*)",status="(\d+)"\} ([0-9.e+]+)$'
    return {f"{route} {status}": int(float(count)) for route, status, count in re.findall(pattern, text, re.MULTILINE)}


def memory_mib(bridge: Bridge) -> tuple[float, float]:
    """What the web process takes, and all workers together."""
    return proportional_mib(bridge.process.pid), sum(map(proportional_mib, workers_of(bridge.process.pid)))


def p99_ms(seconds: list[float]) -> float:
    """In milliseconds."""
    return 1000 * statistics.quantiles(seconds, n=100)[98]


if __name__ == "__main__":
    main()
