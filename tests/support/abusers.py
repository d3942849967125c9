"""Clients that mean no good, each in a process of its own so that they cost the measuring one nothing."""

import json
import multiprocessing
import resource
import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.synchronize import Event

from tests.support.raw_http import ask, connect, request

IDLE_CONNECTIONS = 10_000
SLOW_CONNECTIONS = 200
START_SECONDS = 60.0
DEAF_CONNECTIONS = 450
UNREAD_CONNECTIONS = 1150
UNREAD_LISTS = 800
READ_SLOWLY_BYTES_PER_SECOND = 2048
ABANDONED_WAITS = 256
PAUSE_SECONDS = 0.02  # between two requests that are refused: they are to share two processors with everybody else
HEADERS_OF_A_MIB = request("GET", "/health", {"X": "a" * 2**20})
TEN_THOUSAND_HEADERS = request("GET", "/health", {f"X-{number}": "a" for number in range(10_000)})

Abuse = Callable[[int, Event], None]  # of a port; the event is to be set when it is under way


@contextmanager
def abusing(abuse: Abuse, port: int) -> Iterator[None]:
    """`abuse` goes on while this is entered."""
    context = multiprocessing.get_context("spawn")
    is_under_way = context.Event()
    process = context.Process(target=abuse, args=(port, is_under_way))
    process.start()
    try:
        assert is_under_way.wait(START_SECONDS), f"{abuse} does not get going"
        yield
        assert process.is_alive(), f"{abuse} has ended by itself"
    finally:
        process.kill()
        process.join()


def again_and_again(abuse: Abuse, port: int, is_under_way: Event) -> None:
    """`abuse` for those who are not put off by a connection that is refused."""
    while True:
        with suppress(OSError):
            abuse(port, is_under_way)
        time.sleep(1)


def be_slow(port: int, is_under_way: Event) -> None:
    """Requests on many connections, a byte a second each; whoever is thrown out comes again."""
    connections = [connect(port) for _ in range(SLOW_CONNECTIONS)]
    for connection in connections:
        connection.sendall(b"GET /health HTTP/1.1\r\nX: ")
    is_under_way.set()
    while True:
        for number, connection in enumerate(connections):
            try:
                connection.sendall(b"a")
            except OSError:
                connection.close()
                connections[number] = connect(port)
            time.sleep(1 / SLOW_CONNECTIONS)


def be_idle(port: int, is_under_way: Event) -> None:
    """Very many connections on which nothing is sent. It is under way before it has them all."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    is_under_way.set()
    connections: list[socket.socket] = [connect(port) for _ in range(IDLE_CONNECTIONS)]
    while connections:
        time.sleep(1)


def declare_much(port: int, is_under_way: Event) -> None:
    """Bodies of 1 GiB, declared and sent."""
    _repeat(port, is_under_way, request("POST", "/qaqc/run", {"Content-Length": 2**30}), bytes(2**16))


def never_end(port: int, is_under_way: Event) -> None:
    """Chunked bodies without an end."""
    head = request("POST", "/qaqc/run", {"Transfer-Encoding": "chunked"})
    _repeat(port, is_under_way, head, b"10000\r\n" + bytes(2**16) + b"\r\n")


def send_headers(port: int, is_under_way: Event) -> None:
    """Heads that are far too large."""
    while True:
        for head in (HEADERS_OF_A_MIB, TEN_THOUSAND_HEADERS):
            _repeat_once(port, head, b"")
            is_under_way.set()


def be_deaf(port: int, is_under_way: Event) -> None:
    """Many requests at once on each of many connections, for long answers that are not read."""
    requests = request("GET", "/docs", {"Host": "localhost"}) * 200
    connections = [connect(port) for _ in range(DEAF_CONNECTIONS)]
    for connection in connections:
        with suppress(ConnectionError):
            connection.sendall(requests)
    is_under_way.set()
    while connections:
        time.sleep(1)


def read_nothing_as_on_ethernet(port: int, is_under_way: Event) -> None:
    """Answers that all may have, unread on more connections than there are places, with segments as on Ethernet.

    On loopback's own the kernel would take whole answers.
    """
    _keep_deaf(port, is_under_way, UNREAD_CONNECTIONS, request("GET", "/openapi.json", {"Host": "localhost"}))


def read_slowly(port: int, is_under_way: Event) -> None:
    """Long answers, read twice as fast as they have to be read."""
    data = request("GET", "/openapi.json", {"Host": "localhost"})
    connections = [_deaf(port, data) for _ in range(SLOW_CONNECTIONS)]
    is_under_way.set()
    while True:
        for number, connection in enumerate(connections):
            try:
                connection.setblocking(False)
                is_over = not connection.recv(READ_SLOWLY_BYTES_PER_SECOND)
            except BlockingIOError:
                is_over = False
            except OSError:
                is_over = True
            if is_over:
                connection.close()
                connections[number] = _deaf(port, data)
            time.sleep(1 / SLOW_CONNECTIONS)


def read_no_list(port: int, is_under_way: Event) -> None:
    """Lists of a thousand jobs, unread."""
    _keep_deaf(port, is_under_way, UNREAD_LISTS, request("GET", "/jobs?limit=1000", {"Host": "localhost"}))


def wait_and_leave(port: int, is_under_way: Event) -> None:
    """Long polls that are given up, again and again."""
    job_id = json.loads(ask(port, request("GET", "/jobs?kind=parse", {"Host": "localhost"})).body)["jobs"][0]["job_id"]
    while True:
        connections = [connect(port) for _ in range(ABANDONED_WAITS)]
        for connection in connections:
            with suppress(ConnectionError):
                connection.sendall(request("GET", f"/jobs/{job_id}?wait=300", {"Host": "localhost"}))
        time.sleep(1)
        for connection in connections:
            connection.close()
        is_under_way.set()


def _keep_deaf(port: int, is_under_way: Event, count: int, data: bytes) -> None:
    connections = [_deaf(port, data) for _ in range(count)]
    is_under_way.set()
    while True:
        for number, connection in enumerate(connections):
            if _is_reset(connection):
                connection.close()
                connections[number] = _deaf(port, data)
            time.sleep(PAUSE_SECONDS / 10)


def _is_reset(connection: socket.socket) -> bool:
    """Whether the service has closed it; what it sent before is left unread."""
    watched = select.poll()
    watched.register(connection, select.POLLRDHUP)
    return bool(watched.poll(0))


def _deaf(port: int, data: bytes) -> socket.socket:
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2304)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1400)
    connection.settimeout(START_SECONDS)
    with suppress(OSError):
        connection.connect(("127.0.0.1", port))
        connection.sendall(data)
    return connection


def _repeat(port: int, is_under_way: Event, head: bytes, more: bytes) -> None:
    while True:
        _repeat_once(port, head, more)
        is_under_way.set()


def _repeat_once(port: int, head: bytes, more: bytes) -> None:
    with suppress(ConnectionError), connect(port) as connection:
        connection.sendall(head)
        while more:
            connection.sendall(more)
    time.sleep(PAUSE_SECONDS)
