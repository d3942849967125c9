"""Where the service listens, and whose word it believes about a client."""

import resource
import socket
import stat
from pathlib import Path

import pytest

from bridge.config.settings import SettingsError
from tests.support.listening_application import GET, Application, running
from tests.support.raw_http import ask, connect, is_closed, read_answer, request
from tests.support.waiting import wait_until


@pytest.fixture
def app() -> Application:
    return Application()


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
