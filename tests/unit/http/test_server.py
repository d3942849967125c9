"""Where the service listens, and its limits on connections and requests, on waitress itself."""

import resource
import select
import socket
import stat
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bridge.config.settings import SettingsError
from bridge.http.middleware.request_context import HAS_HUNG_UP
from bridge.http.server import room, waitress_server
from bridge.http.server.listen import listening
from bridge.http.server.waitress_channel import STAY_SECONDS
from tests.support.ports import free_port
from tests.support.raw_http import TIMEOUT_SECONDS, RawAnswer, ask, connect, is_closed, read_answer, request
from tests.support.samples import settings
from tests.support.waiting import wait_until

SMALL: dict[str, Any] = {"threads": 5, "max_waiting_clients": 1, "max_connections": 10}
GET = request("GET", "/", {"Host": "localhost"})
LONG_ANSWER_BYTES = 32 * 1024 * 1024
PIECE_BYTES = 512 * 1024  # from a MiB on waitress writes it to a file


@dataclass
class Application:
    """Tells who asks; `/slow` waits until it is released, `/long` sends more than any buffer holds,
    `/piece` half a MiB in one piece, and `/watched` waits until its client has gone.

    `/later` waits as `/slow` does, but once it has answered.
    """

    released: threading.Event = field(default_factory=threading.Event)
    entered: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    long_ones_ended: int = 0
    threads: Counter[int] = field(default_factory=Counter)  # how many requests each has handled
    has_seen_hang_up: threading.Event = field(default_factory=threading.Event)
    server: Any = None  # that it runs on

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        self.threads[threading.get_ident()] += 1
        if environ["PATH_INFO"] == "/long":
            start_response("200 OK", [("Content-Length", str(LONG_ANSWER_BYTES))])
            return self._long()
        if environ["PATH_INFO"] == "/piece":
            start_response("200 OK", [("Content-Length", str(PIECE_BYTES))])
            return [bytes(PIECE_BYTES)]
        if environ["PATH_INFO"] == "/watched":
            self.entered.release()
            wait_until(environ[HAS_HUNG_UP], "the client has gone")
            self.has_seen_hang_up.set()
        if environ["PATH_INFO"] == "/slow":
            self.entered.release()
            self.released.wait(20)
        size = len(environ["wsgi.input"].read())
        forwarded = [name for name in environ if "FORWARDED" in name]
        answer = f"{environ['REMOTE_ADDR']} {environ['wsgi.url_scheme']} {size} {len(forwarded)}".encode()
        start_response("200 OK", [("Content-Length", str(len(answer)))])
        return [answer]

    def _long(self) -> Iterator[bytes]:
        try:
            for _ in range(LONG_ANSWER_BYTES // 65_536):
                yield bytes(65_536)
        finally:
            self.long_ones_ended += 1


@contextmanager
def running(app: Application, **changes: Any) -> Iterator[int]:
    """The application behind our listeners, in a thread; yields its port."""
    port = free_port()
    chosen = changes if "socket_path" in changes else {"port": port, **changes}
    with listening(app, settings(**chosen), 5) as server:
        app.server = server
        thread = threading.Thread(target=server.run)
        thread.start()
        yield port
        app.released.set()
        server.stop()
        thread.join()


@pytest.fixture
def app() -> Application:
    return Application()


# Sockets


def test_a_unix_socket(app: Application, tmp_path: Path) -> None:
    path = tmp_path / "s"
    with running(app, socket_path=path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert ask(path, GET).body == b"localhost http 0 0"
        forwarded = {"Host": "localhost", "X-Forwarded-For": "192.0.2.66, 192.0.2.7", "X-Forwarded-Proto": "https"}
        assert ask(path, request("GET", "/", forwarded)).body == b"192.0.2.7 https 0 2"
    assert not path.exists()


def test_the_socket_of_a_dead_service_is_replaced(app: Application, tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with running(app, socket_path=path):
        assert ask(path, GET).status == 200


def test_a_socket_on_which_somebody_listens_is_left_alone(app: Application, tmp_path: Path) -> None:
    path = tmp_path / "s"
    with running(app, socket_path=path):
        with pytest.raises(SettingsError, match="socket_path: another process listens"), running(app, socket_path=path):
            pass
        assert ask(path, GET).status == 200


@pytest.mark.parametrize(
    ("name", "words"),
    [
        pytest.param("file", "is no socket", id="file"),
        pytest.param("no-such-folder/s", "No such file", id="no-folder"),
        pytest.param("x" * 200, "too long", id="too-long"),
    ],
)
def test_paths_on_which_nobody_can_listen(app: Application, tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "file").write_text("kept")
    with pytest.raises(SettingsError, match=f"^socket_path: .*{words}"), running(app, socket_path=tmp_path / name):
        pass
    assert (tmp_path / "file").read_text() == "kept"


def test_a_port_that_is_taken(app: Application) -> None:
    with running(app) as port, pytest.raises(SettingsError, match="host, port: cannot"), running(app, port=port):
        pass


def test_too_few_descriptors_are_told_at_the_start(app: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (256, 1024))
    with pytest.raises(SettingsError, match="1325 open files are needed"), running(app):
        pass


def test_a_sandbox_that_forbids_to_ask_for_them_is_no_obstacle(
    app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(_which: int) -> tuple[int, int]:
        raise PermissionError

    monkeypatch.setattr(resource, "getrlimit", forbidden)
    with running(app) as port:
        assert ask(port, GET).status == 200


# Proxies


@pytest.mark.parametrize(
    ("trusted", "headers", "answer"),
    [
        pytest.param([], {"X-Forwarded-For": "192.0.2.7"}, "127.0.0.1 http 0 0", id="nobody-is-trusted"),
        pytest.param(["192.0.2.1"], {"X-Forwarded-For": "192.0.2.7"}, "127.0.0.1 http 0 0", id="another-is"),
        pytest.param(["127.0.0.1"], {"X-Forwarded-For": "192.0.2.7"}, "192.0.2.7 http 0 1", id="trusted"),
        pytest.param(["127.0.0.1"], {"X-Forwarded-For": "10.0.0.1, 192.0.2.7"}, "192.0.2.7 http 0 1", id="last-hop"),
        pytest.param(["127.0.0.1"], {"X-Forwarded-For": "2001:db8::7"}, "2001:db8::7 http 0 1", id="ipv6"),
        pytest.param(["127.0.0.1"], {"X-Forwarded-Proto": "https"}, "127.0.0.1 https 0 1", id="scheme"),
        pytest.param(["127.0.0.1"], {"Forwarded": "for=192.0.2.7"}, "127.0.0.1 http 0 0", id="other-header"),
    ],
)
def test_whose_word_is_believed(app: Application, trusted: list[str], headers: dict[str, str], answer: str) -> None:
    with running(app, trusted_proxies=trusted) as port:
        assert ask(port, request("GET", "/", {"Host": "localhost", **headers})).body.decode() == answer


# Sizes


def post(size: int, **headers: str) -> bytes:
    return request("POST", "/", {"Host": "localhost", "Content-Length": size, **headers})


def assert_refused(answer: RawAnswer, status: int, problem_type: str) -> None:
    assert (answer.status, answer.problem_type) == (status, problem_type)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["connection"] == "close"


def test_a_body_of_just_the_limit(app: Application) -> None:
    with running(app, max_body_bytes=2000) as port:
        assert ask(port, post(2000) + bytes(2000)).body == b"127.0.0.1 http 2000 0"
        assert_refused(ask(port, post(2001) + bytes(2001)), 413, "body-too-large")


def test_a_declared_body_is_refused_before_it_comes(app: Application) -> None:
    with running(app) as port:
        answer = ask(port, request("POST", "/", {"Content-Length": 2**30, "X-Request-ID": "mine"}))
    assert_refused(answer, 413, "body-too-large")
    assert b"65536" in answer.body
    assert answer.headers["x-request-id"] == "mine"


def test_a_client_that_asks_first_is_not_told_to_go_on(app: Application) -> None:
    with running(app) as port, connect(port) as connection:
        connection.sendall(post(2**30, Expect="100-continue"))
        assert read_answer(connection).status == 413


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(post(4 * 2**20), id="length"),
        pytest.param(request("POST", "/", {"Transfer-Encoding": "chunked"}, b"400000\r\n"), id="chunked"),
    ],
)
def test_who_sends_all_before_reading_gets_the_answer_too(app: Application, head: bytes) -> None:
    with running(app) as port, connect(port) as connection:
        connection.sendall(head)
        for _ in range(64):
            connection.sendall(bytes(2**16))
            time.sleep(0.001)
        assert_refused(read_answer(connection), 413, "body-too-large")


def test_who_never_stops_sending_is_cut_off(app: Application) -> None:
    with running(app) as port, connect(port) as connection:
        connection.sendall(request("POST", "/", {"Transfer-Encoding": "chunked"}))
        with pytest.raises(ConnectionError):
            connection.sendall((b"10000\r\n" + bytes(2**16) + b"\r\n") * 1000)
        assert ask(port, GET).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"X": "a" * 2**20}, id="one-of-1-MiB"),
        pytest.param({f"X-{number}": "a" for number in range(10_000)}, id="10000"),
        pytest.param({"X": "a" * 16_384}, id="a-little-too-much"),
    ],
)
def test_a_head_that_is_too_large(app: Application, headers: dict[str, str]) -> None:
    with running(app) as port:
        assert_refused(ask(port, request("GET", "/", headers)), 431, "head-too-large")
        assert ask(port, request("GET", "/", {"X": "a" * 16_000})).status == 200


# Time


@pytest.mark.parametrize(
    "beginning",
    [
        pytest.param(b"GET / HTTP/1.1\r\nHost: ", id="head"),
        pytest.param(post(100) + b"12", id="body"),
        pytest.param(request("POST", "/", {"Transfer-Encoding": "chunked"}, b"64\r\n1"), id="chunked"),
    ],
)
def test_a_request_that_does_not_get_complete(app: Application, beginning: bytes) -> None:
    with running(app, read_timeout_seconds=1) as port, connect(port) as connection:
        connection.sendall(beginning)
        for _ in range(80):  # a byte now and then does not help
            connection.sendall(b"1")
            if select.select([connection], [], [], 0.1)[0]:
                break
        else:
            pytest.fail("it goes on as long as something comes")
        answer = read_answer(connection)
    assert_refused(answer, 408, "request-timeout")
    assert answer.headers["retry-after"] == "1"


def test_the_time_of_a_request_begins_with_its_first_byte(app: Application) -> None:
    with running(app, read_timeout_seconds=4) as port, connect(port) as connection:
        time.sleep(4.5)
        connection.sendall(GET[:10])
        time.sleep(1.5)  # longer than from one check to the next
        connection.sendall(GET[10:])
        assert read_answer(connection).status == 200


def test_the_time_of_a_request_does_not_count_that_of_the_one_before(app: Application) -> None:
    with running(app, read_timeout_seconds=4) as port, connect(port) as connection:
        connection.sendall(request("GET", "/slow", {"Host": "localhost"}) + GET[:10])
        time.sleep(4.5)
        app.released.set()
        assert read_answer(connection).status == 200
        time.sleep(1.5)
        connection.sendall(GET[10:])
        assert read_answer(connection).status == 200


def test_an_idle_connection_is_closed(app: Application) -> None:
    with running(app, idle_timeout_seconds=1) as port, connect(port) as connection:
        connection.sendall(GET)
        assert read_answer(connection).status == 200
        wait_until(lambda: is_closed(connection), "an idle connection is closed")


def test_a_request_may_take_longer_than_all_timeouts(app: Application) -> None:
    with running(app, idle_timeout_seconds=1, read_timeout_seconds=1) as port, connect(port) as connection:
        connection.sendall(request("GET", "/slow", {"Host": "localhost"}))
        time.sleep(3.5)
        app.released.set()
        assert read_answer(connection).status == 200


def test_a_client_that_does_not_read_its_answer_gives_its_thread_back(app: Application) -> None:
    with running(app, idle_timeout_seconds=1) as port, connect(port) as connection:
        connection.sendall(request("GET", "/long", {"Host": "localhost"}))
        wait_until(lambda: app.long_ones_ended, "the answer is given up")


# Room


def deaf(port: int) -> socket.socket:
    """A client as on Ethernet, of whose answer the kernel takes little."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2304)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1400)
    connection.settimeout(TIMEOUT_SECONDS)
    connection.connect(("127.0.0.1", port))
    connection.sendall(request("GET", "/piece", {"Host": "localhost"}))
    return connection


def unsent(app: Application) -> list[int]:
    """What is left of each answer that is not read, in bytes."""
    sizes = [getattr(item, "total_outbufs_len", 0) for item in list(app.server.map.values())]
    return [size for size in sizes if size]


def test_unread_answers_give_way(app: Application) -> None:
    with running(app, **SMALL) as port, ExitStack() as stack:
        known = stack.enter_context(connect(port))
        known.sendall(GET)
        assert read_answer(known).status == 200
        for _ in range(3 * SMALL["max_connections"]):
            stack.enter_context(deaf(port))
        for _ in range(3):
            assert ask(port, GET).status == 200
            known.sendall(GET)
            assert read_answer(known).status == 200
            time.sleep(2 * room.STALLED_SECONDS)


def test_unread_answers_are_bounded_together(app: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waitress_server, "UNSENT_TOTAL_MAX_BYTES", 4 * PIECE_BYTES)
    with running(app) as port, ExitStack() as stack:
        for _ in range(8):
            stack.enter_context(deaf(port))
        wait_until(lambda: app.threads.total() == 8, "all are answered")
        wait_until(lambda: 0 < sum(unsent(app)) <= 4 * PIECE_BYTES, "some are closed")
        assert ask(port, request("GET", "/piece", {"Host": "localhost"})).body == bytes(PIECE_BYTES)


def read_slowly(connection: socket.socket) -> None:
    with suppress(ConnectionError):
        while connection.recv(1024):
            time.sleep(0.05)


def test_a_client_that_reads_too_slowly_is_left(app: Application) -> None:
    with (
        running(app, idle_timeout_seconds=2, least_answer_bytes_per_second=64_000) as port,
        deaf(port) as slow,
        ThreadPoolExecutor(1) as reading,
    ):
        reading.submit(read_slowly, slow)  # something now and then is no sign of life
        wait_until(lambda: unsent(app), "its answer waits")
        wait_until(lambda: not unsent(app), "it is left")
        assert ask(port, request("GET", "/piece", {"Host": "localhost"})).body == bytes(PIECE_BYTES)


def test_the_application_learns_that_a_client_has_gone(app: Application) -> None:
    with running(app) as port:
        with connect(port) as connection:
            connection.sendall(request("GET", "/watched", {"Host": "localhost"}))
            assert app.entered.acquire(timeout=10)
            assert not app.has_seen_hang_up.is_set()
        assert app.has_seen_hang_up.wait(10)


def test_newcomers_take_the_place_of_who_has_waited_longest(app: Application) -> None:
    with running(app, **SMALL) as port, ExitStack() as stack:
        known = stack.enter_context(connect(port))
        idle = []
        for _ in range(30):
            idle.append(stack.enter_context(connect(port)))
            idle[-1].sendall(b"GET / HT")
            known.sendall(GET)
            assert read_answer(known).status == 200  # it does not wait long
        assert ask(port, GET).status == 200
        wait_until(lambda: sum(map(is_closed, idle)) >= 30 - SMALL["max_connections"], "the first are closed")
        assert all(map(is_closed, idle[:20]))
        assert not is_closed(idle[-1])


def test_a_client_that_was_served_before_keeps_its_place_among_strangers(app: Application) -> None:
    with running(app, **SMALL) as port, ExitStack() as stack:
        known = stack.enter_context(connect(port))
        known.sendall(GET)
        assert read_answer(known).status == 200
        strangers = [stack.enter_context(connect(port)) for _ in range(50)]
        wait_until(lambda: is_closed(strangers[0]), "the first stranger is closed")
        known.sendall(GET)
        assert read_answer(known).status == 200


def test_those_that_were_served_before_do_not_fill_all_places(app: Application) -> None:
    with running(app, **SMALL) as port, ExitStack() as stack:
        known = [stack.enter_context(connect(port)) for _ in range(SMALL["max_connections"])]
        for connection in known:
            connection.sendall(GET)
            assert read_answer(connection).status == 200
        strangers = [stack.enter_context(connect(port)) for _ in range(2)]
        wait_until(lambda: is_closed(known[1]), "those that were served first are closed")
        for connection in strangers:
            connection.sendall(GET)
            assert read_answer(connection).status == 200


def test_who_is_being_answered_keeps_the_place(app: Application) -> None:
    with running(app, **SMALL) as port, ExitStack() as stack:
        busy = stack.enter_context(connect(port))
        busy.sendall(request("GET", "/slow", {"Host": "localhost"}))
        assert app.entered.acquire(timeout=10)
        others = [stack.enter_context(connect(port)) for _ in range(50)]
        wait_until(lambda: is_closed(others[0]), "the first of the idle ones is closed")
        app.released.set()
        assert read_answer(busy).status == 200


def test_a_crowd_is_let_in(app: Application) -> None:
    with running(app) as port, ExitStack() as stack:
        crowd = [stack.enter_context(connect(port)) for _ in range(600)]
        for connection in crowd:
            connection.sendall(GET)
        assert all(read_answer(connection).status == 200 for connection in crowd)


def test_answers_to_pipelined_requests_do_not_hold_a_thread(app: Application) -> None:
    with running(app, **SMALL) as port, ExitStack() as held:
        deaf = [held.enter_context(connect(port)) for _ in range(6)]  # more than there are threads
        for connection in deaf:
            connection.sendall(GET * 2)
        answers = [read_answer(connection) for connection in deaf]
        assert {(answer.status, answer.headers["connection"]) for answer in answers} == {(200, "close")}
        wait_until(lambda: all(map(is_closed, deaf)), "they are closed")
        assert ask(port, GET).status == 200


def test_a_refused_head_request_has_no_body(app: Application) -> None:
    with running(app, **SMALL) as port, connect(port) as connection:
        connection.sendall(request("HEAD", "/", {"Host": "localhost", "Content-Length": 2**30}))
        answer = b""
        while more := connection.recv(65536):
            answer += more
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert answer.endswith(b"\r\n\r\n")


# Busy clients


def test_a_thread_stays_with_a_client_that_goes_on(app: Application) -> None:
    with running(app) as port, connect(port) as connection:
        for _ in range(100):
            connection.sendall(GET)
            assert read_answer(connection).status == 200
    assert max(app.threads.values()) > 50  # of five threads each would have had its turn


def test_a_client_that_pauses_or_sends_in_pieces_is_answered(app: Application) -> None:
    data = post(3) + b"abc"
    with running(app) as port, connect(port) as connection:
        for pause_seconds in (0.0, 2 * STAY_SECONDS, 0.0):
            for size in (len(data), len(data) - 3, 10):
                connection.sendall(data[:size])
                time.sleep(pause_seconds)
                connection.sendall(data[size:])
                assert read_answer(connection).body.split()[2] == b"3"
                time.sleep(pause_seconds)


def test_nobody_waits_for_those_that_go_on(app: Application) -> None:
    def go_on(port: int) -> None:
        with connect(port) as connection:
            while not is_over.is_set():
                connection.sendall(GET)
                assert read_answer(connection).status == 200

    is_over = threading.Event()
    with running(app) as port, ThreadPoolExecutor() as clients:
        busy = [clients.submit(go_on, port) for _ in range(10)]  # two for each thread
        try:
            for _ in range(100):
                assert ask(port, GET).status == 200
        finally:
            is_over.set()
        for client in busy:
            client.result()


def test_a_client_that_leaves_after_its_answer(app: Application) -> None:
    with running(app, **SMALL) as port:
        for _ in range(5 * SMALL["max_connections"]):
            with connect(port) as connection:
                connection.sendall(GET)
                assert read_answer(connection).status == 200
                connection.shutdown(socket.SHUT_WR)
                assert connection.recv(1) == b""


def test_what_is_left_of_an_answer_is_sent_before_the_next(app: Application) -> None:
    with running(app) as port, connect(port) as connection:
        for _ in range(3):
            connection.sendall(request("GET", "/long", {"Host": "localhost"}))
            time.sleep(2 * STAY_SECONDS)  # so that all buffers fill
            assert len(read_answer(connection).body) == LONG_ANSWER_BYTES
            connection.sendall(GET)
            assert read_answer(connection).body.startswith(b"127.0.0.1 ")


def test_a_client_that_resets_the_connection_in_its_answer(app: Application) -> None:
    with running(app) as port:
        for _ in range(7):  # more than there are threads
            with connect(port) as connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.sendall(request("GET", "/long", {"Host": "localhost"}))
                assert connection.recv(10)
        wait_until(lambda: app.long_ones_ended == 7, "all answers are given up")
        assert ask(port, GET).status == 200


# Hosts


def test_a_request_has_one_host(app: Application) -> None:
    with running(app) as port:
        answer = ask(port, b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n")
    assert (answer.status, answer.problem_type) == (400, "malformed-request")
    assert app.threads.total() == 0


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:5000", 200),
        ("127.0.0.1:5000", 200),
        ("[::1]:5000", 200),
        ("bridge.localhost", 200),
        ("evil.example", 400),
        ("localhost.evil.example", 400),
        ("127.0.0.1.evil.example", 400),
        ("10.0.0.1", 400),
    ],
)
def test_without_authentication_a_host_is_one_of_loopback(app: Application, host: str, status: int) -> None:
    """A web page could otherwise give a name of its own to loopback (DNS rebinding)."""
    with running(app) as port:
        assert ask(port, request("GET", "/", {"Host": host})).status == status
        assert app.threads.total() == (status == 200)
    with running(app, token_file="/etc/tokens") as port:
        assert ask(port, request("GET", "/", {"Host": host})).status == 200


@pytest.mark.parametrize("connection", ["close", "Close", "keep-alive, close", "close , TE"])
def test_connection_is_a_list(app: Application, connection: str) -> None:
    with running(app) as port, connect(port) as client:
        client.sendall(request("GET", "/", {"Host": "localhost", "Connection": connection}))
        assert read_answer(client).headers["connection"] == "close"
        wait_until(lambda: is_closed(client), "it is closed")
