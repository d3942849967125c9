"""Tells an MQTT broker what happens: log records, and that data of a thing has arrived."""

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from extractor.errors import ExtractorError
from extractor.logs import JsonFormatter, logger

DEFAULT_PORT = 1883
CONNECT_TIMEOUT_SECONDS = 10.0
ACKNOWLEDGE_TIMEOUT_SECONDS = 10.0

# Delivered at least once: a `data_parsed` that is lost means data that nobody checks.
_QOS = 1


@dataclass(frozen=True)
class Address:
    """Where the broker listens, and as whom to speak to it."""

    host: str
    port: int
    user: str
    password: str


def parse_broker(broker: str) -> tuple[str, int]:
    """`HOST`, `HOST:PORT` or `[IPv6]:PORT` as host and port.

    Raises:
        ValueError: it is none of these.
    """
    host, colon, port = broker.rpartition(":") if not broker.endswith("]") else (broker, "", "")
    if not colon:
        host, port = broker, str(DEFAULT_PORT)
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"{broker!r} is not HOST:PORT")
    return host.removeprefix("[").removesuffix("]"), int(port)


class Broker:
    """A connection to the broker for the length of one command.

    A broker that cannot be reached never keeps data from being stored: log records then stay on stderr alone.
    """

    def __init__(self, address: Address) -> None:
        self._address = address
        self._answered = threading.Event()
        self._refusal: str | None = None
        self._pending: deque[MQTTMessageInfo] = deque()
        self._client = self._new_client()

    def _new_client(self) -> Client:
        client = Client(CallbackAPIVersion.VERSION2)
        client.username_pw_set(self._address.user, self._address.password)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.connect_timeout = CONNECT_TIMEOUT_SECONDS
        return client

    def _leave(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def _name(self) -> str:
        return f"MQTT broker {self._address.host}:{self._address.port}"

    def connect(self) -> None:
        """Connect, and wait for the broker's answer.

        Raises:
            ExtractorError: it cannot be reached, or it refuses.
        """
        # A client that has run its loop once keeps two sockets open when it runs it again.
        self._leave()
        self._client = self._new_client()
        self._answered.clear()
        self._refusal = None
        try:
            self._client.connect(self._address.host, self._address.port)
        except OSError as error:
            raise ExtractorError(f"{self._name} cannot be reached: {error.strerror or error}") from error
        self._client.loop_start()
        answered = self._answered.wait(CONNECT_TIMEOUT_SECONDS)
        if not answered or self._refusal is not None:
            self._leave()
            if not answered:
                raise ExtractorError(f"{self._name} does not answer")
            raise ExtractorError(f"{self._name} refuses: {self._refusal}")

    def _on_connect(
        self, _client: Client, _data: Any, _flags: ConnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        self._refusal = str(reason) if reason.is_failure else None
        self._answered.set()

    def _on_disconnect(
        self, _client: Client, _data: Any, _flags: DisconnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if not self._answered.is_set():
            self._refusal = str(reason)
            self._answered.set()

    def publish(self, topic: str, message: str) -> MQTTMessageInfo:
        """Hand the message over; it is sent in the background."""
        while self._pending and self._pending[0].is_published():
            self._pending.popleft()
        info = self._client.publish(topic, message, qos=_QOS)
        self._pending.append(info)
        return info

    def announce(self, topic: str, message: dict[str, str]) -> None:
        """Publish, and wait until the broker has it, connecting anew if need be.

        Raises:
            ExtractorError: the broker cannot be reached, or does not acknowledge in time.
        """
        if not self._client.is_connected():
            self.connect()
        if not _wait(self.publish(topic, json.dumps(message)), ACKNOWLEDGE_TIMEOUT_SECONDS):
            raise ExtractorError(f"{self._name} did not acknowledge within {ACKNOWLEDGE_TIMEOUT_SECONDS:g} s")

    def close(self) -> int:
        """Give what is on its way a last chance; returns how many messages the broker has not acknowledged."""
        deadline = time.monotonic() + (ACKNOWLEDGE_TIMEOUT_SECONDS if self._client.is_connected() else 0.0)
        lost = sum(not _wait(info, max(0.0, deadline - time.monotonic())) for info in self._pending)
        self._leave()
        return lost


def _wait(info: MQTTMessageInfo, timeout_seconds: float) -> bool:
    try:
        info.wait_for_publish(timeout_seconds)
        return info.is_published()
    except (RuntimeError, ValueError):
        # Never handed to a connection, or refused by a full queue.
        return False


class LogHandler(logging.Handler):
    """Publishes log records on `logging/<thing uuid>`."""

    def __init__(self, broker: Broker, thing_uuid: str, formatter: JsonFormatter) -> None:
        super().__init__()
        self._broker = broker
        self._topic = f"logging/{thing_uuid}"
        self.setFormatter(formatter)

    def emit(self, record: logging.LogRecord) -> None:
        """Hand one record over."""
        self._broker.publish(self._topic, self.format(record))


@contextmanager
def logging_to(broker: Broker, thing_uuid: str, formatter: JsonFormatter) -> Iterator[None]:
    """Send log records to the broker as well, if it can be reached; where it cannot, a warning says so."""
    handler = LogHandler(broker, thing_uuid, formatter)
    try:
        broker.connect()
    except ExtractorError as error:
        logger.warning("%s; log records go to stderr alone", error)
    else:
        logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        if lost := broker.close():
            logger.warning("%s messages were not acknowledged by the MQTT broker", lost)
