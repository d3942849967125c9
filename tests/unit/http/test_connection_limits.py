"""Places for connections, and who has to leave when all are taken."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress

import pytest

from bridge.http.server import listen, room, waitress_server
from tests.support.listening_application import GET, PIECE_BYTES, SMALL, Application, running
from tests.support.raw_http import TIMEOUT_SECONDS, ask, connect, is_closed, read_answer, request
from tests.support.waiting import wait_until


@pytest.fixture
def app() -> Application:
    return Application()


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
        for number in range(3 * SMALL["max_connections"]):
            stack.enter_context(deaf(port))
            wait_until(lambda number=number: app.threads.total() > number + 1, "it is answered")  # type: ignore[misc]
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


def received(app: Application) -> list[int]:
    """What has come of each body that is not complete, in bytes."""
    sizes = [getattr(item, "received_bytes", 0) for item in list(app.server.map.values())]
    return [size for size in sizes if size]


def batch(port: int, stack: ExitStack, sent: int) -> socket.socket:
    """A client that has sent so many bytes of a batch of 256 KiB."""
    connection = stack.enter_context(connect(port))
    headers = {"Host": "localhost", "Content-Length": 256 * 1024}
    connection.sendall(request("POST", "/extractor/batch", headers, bytes(sent)))
    return connection


def test_bodies_that_do_not_get_complete_are_bounded_together(
    app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listen, "BODIES_TOTAL", 2)
    with running(app, batch={"max_body_bytes": 256 * 1024}) as port, ExitStack() as stack:
        clients = [batch(port, stack, 128 * 1024) for _ in range(12)]
        wait_until(lambda: sum(map(is_closed, clients)) >= 8, "the first are closed")
        assert sum(received(app)) <= 2 * 256 * 1024
        clients[-1].sendall(bytes(128 * 1024))
        assert read_answer(clients[-1]).body == b"127.0.0.1 http 262144 0"


def test_no_body_is_put_into_a_file(app: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.TemporaryFile", lambda *_arguments, **_options: pytest.fail("a temporary file"))
    with running(app) as port, connect(port) as connection:
        headers = {"Host": "localhost", "Content-Length": 4 * 2**20}
        connection.sendall(request("POST", "/extractor/batch", headers, bytes(4 * 2**20)))
        assert read_answer(connection).body == b"127.0.0.1 http 4194304 0"


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
