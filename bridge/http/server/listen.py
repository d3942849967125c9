"""Where the service listens: on an address and port or on a unix socket, with its limits and enough descriptors."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from wsgiref.types import WSGIApplication

from waitress.adjustments import Adjustments

from bridge.config.settings import Settings, StartError
from bridge.core.process import allow_open_files
from bridge.http.server.body_limits import LimitedAdjustments
from bridge.http.server.forwarded import behind_proxies
from bridge.http.server.waitress_channel import Timeouts
from bridge.http.server.waitress_server import ACCEPTS_AT_ONCE, Server, TcpListener, Threads, UnixListener

# How much of an answer waits for its client to read on; waitress's 16 MiB of each would be much, and beyond 1 MiB it
# would write them to a temporary file.
UNSENT_MAX_BYTES = 512 * 1024
BODIES_TOTAL = 16  # of the longest bodies: as much may have come of those that are not complete, all together
BACKLOG = 4096  # newcomers beyond it try again after a second; the kernel cuts it to net.core.somaxconn
SOCKET_MODE = "660"  # a proxy in the group may connect
UNIX_PEER = "localhost"  # what waitress says of who comes by a unix socket
OTHER_DESCRIPTORS = 256  # of workers, logs, libraries


@contextmanager
def listening(
    app: WSGIApplication, settings: Settings, threads: int, say_alive: Callable[[], None] = lambda: None
) -> Iterator[Server]:
    """A server that `run()` makes answer, and then calls `say_alive` every second.

    Raises `SettingsError` where it cannot listen.
    """
    _allow_descriptors(settings.max_connections + ACCEPTS_AT_ONCE + threads + OTHER_DESCRIPTORS)
    try:
        limits = _limits(settings)
    except ValueError:
        raise StartError(f"host, port: {settings.host}:{settings.port} is no address to listen on") from None
    connections: dict[int, Any] = {}  # by descriptor
    dispatcher = Threads()
    dispatcher.set_thread_count(threads)
    options: dict[str, Any] = {"map": connections, "dispatcher": dispatcher, "adj": limits}
    server = Server(
        connections,
        limits,
        [],
        dispatcher,
        max_connections=settings.max_connections,
        received_max_bytes=BODIES_TOTAL * _longest_body(settings),
        timeouts=Timeouts(
            read_seconds=settings.read_timeout_seconds,
            idle_seconds=settings.idle_timeout_seconds,
            least_bytes_per_second=settings.least_answer_bytes_per_second,
        ),
        say_alive=say_alive,
    )
    try:
        _open_listeners(app, settings, options)
        yield server
    finally:
        server.close()


def _open_listeners(app: WSGIApplication, settings: Settings, options: dict[str, Any]) -> None:
    if settings.socket_path is not None:
        try:
            _remove_stale(settings.socket_path)
            UnixListener(behind_proxies(app, {UNIX_PEER}), **options)
        except OSError as error:
            raise StartError(f"socket_path: cannot listen on {settings.socket_path}: {error}") from None
        return
    # Otherwise a web page of another host, whose name then leads to loopback, could have a browser of this machine send
    # requests here (DNS rebinding). Where a proxy stands in front, that names the host.
    is_for_local_names = settings.has_no_authentication and not settings.trusted_proxies
    app = behind_proxies(app, {str(address) for address in settings.trusted_proxies})
    for place in options["adj"].listen:  # a name may have several addresses
        try:
            TcpListener(app, sockinfo=place, **options).is_for_local_names = is_for_local_names
        except OSError as error:
            raise StartError(f"host, port: cannot listen on {settings.host}:{settings.port}: {error}") from None


def where(settings: Settings) -> dict[str, Any]:
    """Where it listens, for the log."""
    if settings.socket_path is not None:
        return {"socket_path": str(settings.socket_path)}
    return {"host": settings.host, "port": settings.port}


def _limits(settings: Settings) -> Adjustments:
    return LimitedAdjustments(
        **(
            {"unix_socket": str(settings.socket_path), "unix_socket_perms": SOCKET_MODE}
            if settings.socket_path
            else {"host": settings.host, "port": settings.port}
        ),
        ident="tsm-slurm-bridge",
        backlog=BACKLOG,
        connection_limit=settings.max_connections + ACCEPTS_AT_ONCE,  # of waitress, which then stops accepting
        channel_timeout=settings.idle_timeout_seconds,
        max_request_body_size=settings.max_body_bytes + 1,  # waitress refuses what has as many
        max_batch_body_size=settings.batch.max_body_bytes + 1,
        max_request_header_size=settings.max_header_bytes + 1,
        inbuf_overflow=2 * _longest_body(settings),  # a longer one would be put into a file; bodies hold credentials
        clear_untrusted_proxy_headers=False,  # `behind_proxies` does
        outbuf_high_watermark=UNSENT_MAX_BYTES,
        url_prefix=settings.path_prefix,
    )


def _longest_body(settings: Settings) -> int:
    return max(settings.max_body_bytes, settings.batch.max_body_bytes)


def _allow_descriptors(count: int) -> None:
    if (allowed := allow_open_files(count)) is not None:
        raise StartError(
            f"max_connections: {count} open files are needed, and {allowed} allowed: "
            "allow more (`LimitNOFILE=` of systemd, `ulimit -Hn`), or set it lower"
        )


def _remove_stale(path: Path) -> None:
    if not os.path.lexists(path):
        return
    if not path.is_socket():
        raise StartError(f"socket_path: {path} exists and is no socket: choose another path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:  # no process listens
            path.unlink()
            return
    raise StartError(f"socket_path: another process listens on {path}: end that, or choose another path")
