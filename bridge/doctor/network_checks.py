"""Checks of what the bridge's jobs reach over the network."""

import socket

from bridge.config.settings import Settings
from bridge.doctor.findings import Finding, green, red

CONNECT_SECONDS = 3.0


def mqtt_check(settings: Settings) -> Finding:
    """Whether the broker takes connections."""
    if settings.mqtt_broker is None:
        return green("mqtt_broker", "MQTT is off")
    host, _, port = settings.mqtt_broker.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
    except OSError as error:
        return red(
            "mqtt_broker",
            f"{settings.mqtt_broker} does not answer: {error.strerror or error}; jobs store their data, and then fail",
            'start the broker, correct mqtt_broker, or switch MQTT off with mqtt_broker = "None"',
        )
    return green("mqtt_broker", f"{settings.mqtt_broker} takes connections")
