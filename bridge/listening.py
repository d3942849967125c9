"""Where the service listens: on an address and port or on a unix socket, with its limits and enough descriptors."""

import os
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from wsgiref.types import WSGIApplication

from waitress.adjustments import Adjustments

from bridge.listeners import ACCEPTS_AT_ONCE, Server, TcpListener, Threads, UnixListener
from bridge.proxies import behind_proxies
from bridge.settings import Settings, SettingsError

# Less than this leaves when the answer is complete: head and body in one piece, a quarter less CPU a request.
SEND_BYTES = 16 * 1024
# How much of an answer waits for its client to read on; waitress's 16 MiB of each would be much, and beyond 1 MiB it
# would write them to a temporary file.
UNSENT_MAX_BYTES = 512 * 1024
BACKLOG = 4096  # newcomers beyond it try again after a second; the kernel cuts it to net.core.somaxconn
SOCKET_MODE = 0o660  # a proxy in the group may connect
UNIX_PEER = "localhost"  # what waitress says of who comes by a unix socket
OTHER_DESCRIPTORS = 256  # of workers, logs, libraries


@contextmanager
def listening(app: WSGIApplication, settings: Settings, threads: int, connections: dict[int, Any]) -> Iterator[Server]:
    """A server that `run()` makes answer; `connections` are kept in there, by descriptor.

    Raises `SettingsError` where it cannot listen.
    """
    _allow_descriptors(settings.max_connections + ACCEPTS_AT_ONCE + threads + OTHER_DESCRIPTORS)
    try:
        limits = _limits(settings)
    except ValueError:
        raise SettingsError(f"host, port: {settings.host}:{settings.port} is no address to listen on") from None
    dispatcher = Threads()
    dispatcher.set_thread_count(threads)
    options: dict[str, Any] = {"map": connections, "dispatcher": dispatcher, "adj": limits}
    server = Server(
        connections,
        limits,
        [],
        dispatcher,
        max_connections=settings.max_connections,
        read_timeout_seconds=settings.read_timeout_seconds,
    )
    try:
        _open_listeners(app, settings, options)
        yield server
    finally:
        server.close()


def _open_listeners(app: WSGIApplication, settings: Settings, options: dict[str, Any]) -> None:
    if settings.socket_path is not None:
        unix_socket = _bound(settings.socket_path)
        UnixListener(behind_proxies(app, {UNIX_PEER}), _sock=unix_socket, bind_socket=False, **options)
        return
    app = behind_proxies(app, {str(address) for address in settings.trusted_proxies})
    for place in options["adj"].listen:  # a name may have several addresses
        try:
            TcpListener(app, sockinfo=place, **options)
        except OSError as error:
            raise SettingsError(f"host, port: cannot listen on {settings.host}:{settings.port}: {error}") from None


def where(settings: Settings) -> dict[str, Any]:
    """Where it listens, for the log."""
    if settings.socket_path is not None:
        return {"socket_path": str(settings.socket_path)}
    return {"host": settings.host, "port": settings.port}


def _limits(settings: Settings) -> Adjustments:
    limits = Adjustments(
        **({} if settings.socket_path else {"host": settings.host, "port": settings.port}),
        ident="tsm-slurm-bridge",
        backlog=BACKLOG,
        connection_limit=settings.max_connections + ACCEPTS_AT_ONCE,  # of waitress, which then stops accepting
        channel_timeout=settings.idle_timeout_seconds,
        max_request_body_size=settings.max_body_bytes + 1,  # waitress refuses what has as many
        max_request_header_size=settings.max_header_bytes + 1,
        clear_untrusted_proxy_headers=False,  # `behind_proxies` does
        outbuf_high_watermark=UNSENT_MAX_BYTES,
    )
    limits.send_bytes = SEND_BYTES  # as an argument it warns that a later waitress will not need it
    return limits


def _allow_descriptors(count: int) -> None:
    """Shells and systemd start programs with 1024, and with leave to take more."""
    try:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    except PermissionError:  # a sandbox (systemd's @resources) may forbid to ask; then whoever made it has set it
        return
    if hard != resource.RLIM_INFINITY and hard < count:
        raise SettingsError(
            f"max_connections: {count} open files are needed, and {hard} allowed: "
            "allow more (`LimitNOFILE=` of systemd, `ulimit -Hn`), or set it lower"
        )
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def _bound(path: Path) -> socket.socket:
    """A socket at `path`, in place of that of a service that has died."""
    try:
        _remove_stale(path)
        unix_socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            unix_socket.bind(str(path))
            path.chmod(SOCKET_MODE)  # nobody can connect before it listens
        except OSError:
            unix_socket.close()
            raise
    except OSError as error:
        raise SettingsError(f"socket_path: cannot listen on {path}: {error}") from None
    return unix_socket


def _remove_stale(path: Path) -> None:
    if not os.path.lexists(path):
        return
    if not path.is_socket():
        raise SettingsError(f"socket_path: {path} exists and is no socket: choose another path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:  # nobody listens
            path.unlink()
            return
    raise SettingsError(f"socket_path: another process listens on {path}: end that, or choose another path")
