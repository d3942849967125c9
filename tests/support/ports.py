"""Ports for the servers that tests start."""

import random
import socket

# Below the range that the kernel gives to outgoing connections (net.ipv4.ip_local_port_range, 32768 and up).
CHOICE = range(20_000, 32_000)


def free_port() -> int:
    """A port of loopback that nobody listens on now, and that no other run of tests on this machine gets."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Several, all different."""
    ports: list[int] = []
    for port in random.sample(CHOICE, len(CHOICE)):
        if len(ports) == count:
            break
        if _claim(port):
            ports.append(port)
    return ports


def _claim(port: int) -> bool:
    """Makes the port ours until this process ends, by an abstract socket: those go with the network, as ports do."""
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(f"\0tsm-slurm-bridge-test-port-{port}")
        with socket.create_server(("127.0.0.1", port)):
            pass
    except OSError:
        claim.close()
        return False
    claim.detach()  # stays open
    return True
