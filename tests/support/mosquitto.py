"""A private mosquitto for tests, which asks for user and password, and a subscriber that collects what is published."""

import json
import secrets
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from tests.support.ports import free_port

READY_TIMEOUT_SECONDS = 15.0
STOP_TIMEOUT_SECONDS = 10.0

_SEARCH_PATH = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"


def binary() -> str | None:
    """The installed broker, or None."""
    return shutil.which("mosquitto", path=_SEARCH_PATH)


@dataclass(frozen=True)
class Mosquitto:
    """A running broker."""

    port: int
    user: str
    password: str

    @property
    def address(self) -> str:
        """`HOST:PORT`."""
        return f"127.0.0.1:{self.port}"


@contextmanager
def running(password: str | None = None) -> Iterator[Mosquitto]:
    """Start a broker, wait until it listens, stop it at the end.

    Raises:
        RuntimeError: mosquitto is not installed or does not start; the message holds what it said.
    """
    program, set_password = binary(), shutil.which("mosquitto_passwd", path=_SEARCH_PATH)
    if program is None or set_password is None:
        raise RuntimeError("mosquitto is not installed")
    broker = Mosquitto(free_port(), "tsm", password or secrets.token_hex(12))
    with tempfile.TemporaryDirectory(prefix="mosquitto-") as name:
        folder = Path(name)
        users, configuration, log = folder / "users", folder / "conf", folder / "log"
        subprocess.run(
            [set_password, "-c", "-b", str(users), broker.user, broker.password], check=True, capture_output=True
        )
        # Started by root, it would become another user, who may not read the folder.
        configuration.write_text(
            f"user root\nlistener {broker.port} 127.0.0.1\nallow_anonymous false\npassword_file {users}\n"
        )
        with log.open("wb") as output:
            process = subprocess.Popen([program, "-c", str(configuration)], stdout=output, stderr=subprocess.STDOUT)
        try:
            _wait_until_ready(process, broker.port, log)
            yield broker
        finally:
            _stop(process, log)


def _wait_until_ready(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_SECONDS
    while True:
        if process.poll() is not None:
            raise RuntimeError(f"mosquitto ended with {process.returncode}:\n{log.read_text(errors='replace')}")
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError as error:
            if time.monotonic() > deadline:
                said = f"{error}\n{log.read_text(errors='replace')}"
                raise RuntimeError(f"mosquitto is not ready after {READY_TIMEOUT_SECONDS:g} s: {said}") from error
        time.sleep(0.05)


def _stop(process: "subprocess.Popen[bytes]", log: Path) -> None:
    process.terminate()
    try:
        returncode = process.wait(STOP_TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise RuntimeError(f"mosquitto did not stop:\n{log.read_text(errors='replace')}") from None
    if returncode not in (0, -15):
        raise RuntimeError(f"mosquitto ended with {returncode}:\n{log.read_text(errors='replace')}")


class Subscriber:
    """What was published since it subscribed: (topic, decoded JSON), in the order of arrival."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, Any]] = []
        self._arrival = threading.Condition()

    def add(self, message: MQTTMessage) -> None:
        """Called for each message, from the client's own thread."""
        with self._arrival:
            self.messages.append((message.topic, json.loads(message.payload)))
            self._arrival.notify_all()

    def on(self, topic: str) -> list[Any]:
        """What came on one topic so far."""
        return [message for arrived_on, message in self.messages if arrived_on == topic]

    def wait_for(self, wanted: Callable[[str, Any], bool], timeout_seconds: float = 10.0) -> Any:
        """The first message for which `wanted(topic, message)` holds.

        Raises:
            AssertionError: none came in time; the message holds those that did.
        """

        def first() -> tuple[str, Any] | None:
            return next((pair for pair in self.messages if wanted(*pair)), None)

        with self._arrival:
            if not self._arrival.wait_for(lambda: first() is not None, timeout_seconds):
                raise AssertionError(f"not among the messages after {timeout_seconds:g} s: {self.messages}")
            found = first()
        assert found is not None
        return found[1]


@contextmanager
def subscribed(broker: Mosquitto) -> Iterator[Subscriber]:
    """A subscriber that is certain to get all that is published while the context lasts."""
    subscriber = Subscriber()
    ready = threading.Event()
    client = Client(CallbackAPIVersion.VERSION2)
    client.username_pw_set(broker.user, broker.password)

    def on_connect(
        client: Client, _data: Any, _flags: ConnectFlags, _reason: ReasonCode, _properties: Properties | None
    ) -> None:
        client.subscribe("#", qos=1)

    def on_subscribe(
        _client: Client, _data: Any, _message_id: int, _reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        ready.set()

    def on_message(_client: Client, _data: Any, message: MQTTMessage) -> None:
        subscriber.add(message)

    client.on_connect = on_connect
    client.on_subscribe = on_subscribe
    client.on_message = on_message
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    try:
        if not ready.wait(READY_TIMEOUT_SECONDS):
            raise RuntimeError(f"mosquitto did not confirm the subscription within {READY_TIMEOUT_SECONDS:g} s")
        yield subscriber
    finally:
        client.disconnect()
        client.loop_stop()
