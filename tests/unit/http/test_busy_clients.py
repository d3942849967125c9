"""Clients that send one request after the other keep a thread, at the cost of nobody."""

import socket
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from bridge.http.server.waitress_channel import STAY_SECONDS
from tests.support.listening_application import GET, LONG_ANSWER_BYTES, SMALL, Application, post, running
from tests.support.raw_http import ask, connect, read_answer, request
from tests.support.waiting import wait_until


@pytest.fixture
def app() -> Application:
    return Application()


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
