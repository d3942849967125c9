"""The exit code tells faults that may pass from wrong data and settings."""

import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from threading import Thread

import psycopg
import pytest
import requests
from sqlalchemy.exc import DBAPIError, OperationalError

from extractor.errors import PASSING, WRONG, ExtractorError, PassingError, exit_code_of
from tests.extractor import things
from tests.support.postgresql import PostgreSQL


@contextmanager
def server(answer: bytes) -> Iterator[str]:
    """Gives each client this answer and hangs up; yields its URI."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:

        def serve() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                with client:
                    client.recv(65_536)
                    client.sendall(answer)

        thread = Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/f.csv"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.mark.parametrize(
    ("status", "code"),
    [("503 Busy", 75), ("500 Oops", 75), ("429 Slow down", 75), ("404 Gone", 1), ("403 Expired", 1)],
)
def test_what_a_server_answers(sqlite: str, status: str, code: int) -> None:
    with server(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()) as uri:
        assert "the server answered" in things.failed(things.parse(sqlite, uri), code)


def test_a_server_that_hangs_up_in_the_middle(sqlite: str) -> None:
    with server(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nt,a\n") as uri:
        assert "cannot read" in things.failed(things.parse(sqlite, uri), 75)


def test_a_file_that_is_wrong(sqlite: str) -> None:
    with server(b"HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\nt,a\nnonsense,1") as uri:
        assert "nonsense" in things.failed(things.parse(sqlite, uri), 1)


def test_a_datastore_that_does_not_answer() -> None:
    done = things.run_qaqc("postgresql://u:p@127.0.0.1:1/d")
    assert "database: " in things.failed(done, 75)


def test_a_datastore_that_refuses(postgresql_server: PostgreSQL) -> None:
    assert things.run_qaqc(postgresql_server.uri("absent")).returncode == 1


@pytest.mark.parametrize(
    ("error", "code"),
    [
        pytest.param(ExtractorError("wrong"), WRONG, id="wrong"),
        pytest.param(PassingError("busy"), PASSING, id="passing"),
        pytest.param(ValueError("a bug"), WRONG, id="bug"),
        pytest.param(requests.RequestException("x"), WRONG, id="another-library"),
        pytest.param(psycopg.errors.SerializationFailure("x"), PASSING, id="serialization"),
        pytest.param(psycopg.errors.DeadlockDetected("x"), PASSING, id="deadlock"),
        pytest.param(psycopg.errors.AdminShutdown("x"), PASSING, id="shutdown"),
        pytest.param(psycopg.errors.DiskFull("x"), PASSING, id="disk-full"),
        pytest.param(psycopg.errors.UniqueViolation("x"), WRONG, id="unique"),
        pytest.param(psycopg.errors.UndefinedTable("x"), WRONG, id="no-table"),
        pytest.param(psycopg.OperationalError("connection failed: refused"), PASSING, id="unreachable"),
        pytest.param(psycopg.OperationalError("FATAL:  the database system is starting up"), PASSING, id="starts"),
        pytest.param(psycopg.OperationalError("FATAL:  sorry, too many clients already"), PASSING, id="full"),
        pytest.param(psycopg.OperationalError("FATAL:  password authentication failed"), WRONG, id="password"),
        pytest.param(sqlite3.OperationalError("database is locked"), PASSING, id="locked"),
        pytest.param(sqlite3.OperationalError("unable to open database file"), WRONG, id="no-file"),
    ],
)
def test_which_faults_may_pass(error: Exception, code: int) -> None:
    is_of_a_database = isinstance(error, (psycopg.Error, sqlite3.Error))
    wrapped: Exception = error
    if is_of_a_database:
        kind = OperationalError if "Operational" in type(error).__name__ else DBAPIError
        wrapped = kind("SELECT 1", {}, error)
    assert exit_code_of(wrapped) == code
