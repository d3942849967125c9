"""A hundred thousand requests that have gone wrong: what they get is documented, and they leave nothing behind."""

import json
import re
import socket
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from tests.support.bridge_process import Bridge, running_bridge, service_environment
from tests.support.contract import Contract, closed
from tests.support.mutations import Mutator, RawRequest
from tests.support.private_slurm import PrivateSlurm
from tests.support.samples import PARSE_BODY

REQUESTS = 100_000
CLIENTS = 4
PIPELINED = 20  # requests sent before the first answer is read
WARM_UP = REQUESTS // 2  # until then caches fill, and hundreds of threads get their share of the heap
GROWTH_MAX_MIB = 16  # some hundred good requests become jobs, which the board keeps
SILENCE_SECONDS = 10.0

# Ends a connection, and is long enough to complete a body that was announced somewhat too long.
LAST = RawRequest("GET", "/health", {"Connection": "close", "X-Padding": "x" * 2000}).wire()
ANSWER_HEAD = re.compile(rb"HTTP/1\.[01] ([0-9]{3}) [^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\r\n")


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it came."""

    status: int
    headers: dict[str, str]
    body: bytes


class Judge:
    """Says of an answer whether it is one that the specification has; counts them by status."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._contract = Contract(document)
        components = closed(document)["components"]
        names = [{"$ref": f"#/components/schemas/{name}"} for name in components["schemas"]]
        self._any = jsonschema_rs.Draft202012Validator({"anyOf": names, "components": components})
        self.seen: Counter[int] = Counter()
        self.submitted = 0

    def check(self, reply: Reply, request: RawRequest | None) -> None:
        """`request` None: it is not known which one is answered."""
        self.seen[reply.status] += 1
        self.submitted += reply.status == 202 and "location" in reply.headers
        assert reply.status < 500 or reply.status == 503, reply
        assert "x-request-id" in reply.headers, reply
        if request is not None and request.method in ("GET", "HEAD", "POST", "DELETE"):
            path = "/" + request.path.partition("?")[0].lstrip("/")  # as waitress reads it
            if "%" not in path and "#" not in path:
                self._contract.check(request.method, path, reply.status, reply.headers, reply.body)
        if reply.body and reply.headers["content-type"].endswith("json"):
            assert self._any.is_valid(json.loads(reply.body)), reply


class Connection:
    """A client's. Answers are read in the order in which the requests were sent."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=SILENCE_SECONDS)
        self._buffer = b""
        self._is_open = True

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_exception: object) -> None:
        self._socket.close()

    def send(self, wire: bytes) -> None:
        """All of it, unless the service has closed the connection."""
        try:
            self._socket.sendall(wire)
        except (BrokenPipeError, ConnectionResetError):
            self._is_open = False

    def replies(self) -> Iterator[Reply]:
        """The next ones, until the connection ends or the service stays silent."""
        while (reply := self.reply(None)) is not None:
            yield reply

    def reply(self, method: str | None) -> Reply | None:
        """The next one, to a request with `method`; None there: it is not known. None: there is no other."""
        while (head := ANSWER_HEAD.match(self._buffer)) is None:
            if not self._receive():
                assert not self._buffer, f"not an answer: {self._buffer[:200]!r}"
                return None
        lines = head[2].decode("latin-1").splitlines()
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        self._buffer = self._buffer[head.end() :]
        length = int(headers.get("content-length", "0"))
        if method == "HEAD":
            return Reply(int(head[1]), headers, b"")
        # Where it is not known: what comes after the head of an answer to HEAD is the next answer.
        while len(self._buffer) < length and not ANSWER_HEAD.match(self._buffer) and self._receive():
            pass
        body = b"" if ANSWER_HEAD.match(self._buffer) else self._buffer[:length]
        self._buffer = self._buffer[len(body) :]
        return Reply(int(head[1]), headers, body)

    def _receive(self) -> bool:
        try:
            received = self._socket.recv(65_536) if self._is_open else b""
        except (ConnectionResetError, TimeoutError):
            received = b""
        self._is_open = bool(received)
        self._buffer += received
        return self._is_open


def play(port: int, document: dict[str, Any], seed: int, requests: int) -> Judge:
    """Send requests and check what comes until there are so many answers."""
    judge, mutator = Judge(document), Mutator(seed)
    while judge.seen.total() < requests:
        batch = [mutator.framed() for _ in range(PIPELINED)]
        with Connection(port) as connection:
            connection.send(b"".join(request.wire() for request in batch))
            for request in batch:
                reply = connection.reply(request.method)
                if reply is None:
                    break
                is_read = reply.headers["x-request-id"] == request.headers["X-Request-ID"]
                assert is_read or reply.status == 400, (request, reply)
                judge.check(reply, request if is_read else None)
            else:
                connection.send(mutator.wild() + LAST)
                for reply in connection.replies():
                    judge.check(reply, None)
    return judge


def resident_mib(pid: int) -> float:
    """The memory of a process that is in use (VmRSS), in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+([0-9]+) kB", status)[0]) / 1024


def jobs_in(slurm: PrivateSlurm) -> int:
    return len(slurm.run("squeue", "--noheader", "--states=all").splitlines())


@pytest.fixture(scope="module")
def slurm(shared_folder: Path) -> Iterator[PrivateSlurm]:
    """One in which jobs wait for ever, and none is forgotten."""
    (shared_folder / "slurm").mkdir()
    down = ("PartitionName=normal Default=YES Nodes=ALL State=DOWN MaxTime=INFINITE",)
    with PrivateSlurm(shared_folder / "slurm", overrides={"MaxJobCount": "50000"}, partitions=down) as slurm:
        yield slurm


@pytest.fixture
def bridge(slurm: PrivateSlurm, shared_folder: Path) -> Iterator[Bridge]:
    environment = service_environment(slurm, shared_folder, ["/usr/bin/python3", "/usr/bin/true"])
    with running_bridge(shared_folder, environment) as bridge:
        yield bridge


def test_requests_that_went_wrong(bridge: Bridge, slurm: PrivateSlurm) -> None:
    document = bridge.get("/openapi.json").body
    port = int(bridge.url.rpartition(":")[2])

    def play_all(requests: int, first_seed: int) -> list[Judge]:
        with ThreadPoolExecutor(CLIENTS) as clients:
            seeds = range(first_seed, first_seed + CLIENTS)
            return list(clients.map(lambda seed: play(port, document, seed, requests // CLIENTS), seeds))

    assert bridge.post("/extractor/run", PARSE_BODY).body["job_id"] == "1"
    judges = play_all(WARM_UP, 1)
    before_mib = resident_mib(bridge.process.pid)
    judges += play_all(REQUESTS - WARM_UP, 1 + CLIENTS)
    seen = sum((judge.seen for judge in judges), Counter())
    growth_mib = resident_mib(bridge.process.pid) - before_mib
    print(f"{dict(seen.most_common())}, {growth_mib:+.1f} MiB after {before_mib:.1f} MiB")  # seen with pytest -s

    assert seen.total() >= REQUESTS
    assert jobs_in(slurm) == 1 + sum(judge.submitted for judge in judges)
    assert growth_mib < GROWTH_MAX_MIB
    assert {200, 202, 400, 404, 405, 413, 415, 422} <= seen.keys()
    assert bridge.get("/ready").status == 200
    assert "Traceback" not in bridge.log
    assert bridge.post("/extractor/run", PARSE_BODY).status == 202
