"""Limits on the size of a request, and on the time that it takes to come."""

import select
import time
from contextlib import suppress

import pytest

from tests.support.listening_application import GET, Application, post, running
from tests.support.raw_http import RawAnswer, ask, connect, is_closed, read_answer, request
from tests.support.waiting import wait_until


@pytest.fixture
def app() -> Application:
    return Application()


def assert_refused(answer: RawAnswer, status: int, problem_type: str) -> None:
    assert (answer.status, answer.problem_type) == (status, problem_type)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["connection"] == "close"


def test_a_body_of_just_the_limit(app: Application) -> None:
    with running(app, max_body_bytes=2000) as port:
        assert ask(port, post(2000) + bytes(2000)).body == b"127.0.0.1 http 2000 0"
        assert_refused(ask(port, post(2001) + bytes(2001)), 413, "body-too-large")


def test_batches_have_a_limit_of_their_own(app: Application) -> None:
    def batch(size: int) -> bytes:
        return request("POST", "/prefix/extractor/batch?x=1", {"Host": "localhost", "Content-Length": size})

    with running(app, max_body_bytes=2000, batch={"max_body_bytes": 3000}) as port:
        assert ask(port, batch(3000) + bytes(3000)).body == b"127.0.0.1 http 3000 0"
        answer = ask(port, batch(3001))
        assert_refused(answer, 413, "body-too-large")
        assert b"3000 bytes" in answer.body


def test_a_declared_body_is_refused_before_it_comes(app: Application) -> None:
    with running(app) as port:
        answer = ask(port, request("POST", "/", {"Content-Length": 2**30, "X-Request-ID": "mine"}))
    assert_refused(answer, 413, "body-too-large")
    assert b"65536" in answer.body
    assert answer.headers["x-request-id"] == "mine"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(post(0).replace(b"Length: 0", b"Length: " + b"9" * 5000), id="length-of-5000-digits"),
        pytest.param(b"GET http://[::1 HTTP/1.1\r\nHost: localhost\r\n\r\n", id="address-without-an-end"),
    ],
)
def test_what_cannot_be_read_is_answered(app: Application, data: bytes) -> None:
    with running(app) as port:
        assert_refused(ask(port, data), 400, "malformed-request")


@pytest.mark.parametrize(
    ("piece", "count"),
    [
        pytest.param(b"1\r\na\r\n", 2**19, id="chunks-of-a-byte"),
        pytest.param(b"0" * 2**16, 2**5, id="length-without-an-end"),
        pytest.param(b"0\r\n" + b"a" * 2**16, 2**5, id="trailer-without-an-end"),
    ],
)
def test_a_body_of_little_but_its_framing_is_refused(app: Application, piece: bytes, count: int) -> None:
    with running(app) as port, connect(port) as connection:
        connection.sendall(request("POST", "/extractor/batch", {"Host": "localhost", "Transfer-Encoding": "chunked"}))
        with suppress(ConnectionError):  # it is not heard to the end
            connection.sendall(piece * count)
        assert_refused(read_answer(connection), 400, "malformed-request")


def test_a_body_may_come_in_chunks(app: Application) -> None:
    head = request("POST", "/extractor/batch", {"Host": "localhost", "Transfer-Encoding": "chunked"})
    with running(app) as port:
        answer = ask(port, head + (b"40\r\n" + bytes(0x40) + b"\r\n") * 2**14 + b"0\r\n\r\n")
    assert answer.body == b"127.0.0.1 http 1048576 0"


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
