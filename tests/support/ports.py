"""Ports for the servers that tests start."""

import socket


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Several; all are held until all are chosen, so they differ."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [chosen.getsockname()[1] for chosen in sockets]
    finally:
        for chosen in sockets:
            chosen.close()
