"""A line between two processes: the messages that one end sends the other receives in the same order."""

import socket
import struct
from typing import Self

from bridge.slurm.message_format import Reply, Request, to_bytes, to_reply, to_request

_SIZE = struct.Struct("!I")  # in bytes, before each message
_TIMEVAL = struct.Struct("@ll")  # of socket(7): seconds, microseconds; 0 is for ever
_READ_BYTES = 16 * 1024  # most messages take less, and so one system call


class MessageSocket:
    """One end of it; it may be given to a process that is being spawned.

    `multiprocessing` has connections that do the same, in twice as many system calls and far more Python, which costs
    several times what it seems to where processes take turns on a CPU and find its caches full of each other's data.
    """

    def __init__(self, end: socket.socket) -> None:
        self._socket = end

    @classmethod
    def pair(cls) -> tuple[Self, Self]:
        """Both ends. Raises `OSError` where no more files may be open."""
        ours, theirs = socket.socketpair()
        return cls(ours), cls(theirs)

    def close(self) -> None:
        """The other end receives what has been sent, and then `EOFError`."""
        self._socket.close()

    def send(self, message: Request | Reply) -> None:
        """Raises `OSError` where the other end is closed, and what `to_bytes` raises."""
        data = to_bytes(message)
        self._socket.sendall(_SIZE.pack(len(data)) + data)

    def receive_request(self, timeout_seconds: float) -> Request:
        """What the web process asks next.

        Raises `TimeoutError` where it does not come for `timeout_seconds`, `EOFError` where the other end is closed.
        """
        return to_request(self._receive(timeout_seconds))

    def receive_reply(self, timeout_seconds: float) -> Reply:
        """What a worker says next. Raises what `receive_request` raises."""
        return to_reply(self._receive(timeout_seconds))

    def _receive(self, timeout_seconds: float) -> memoryview:
        microseconds = max(1, int(1e6 * timeout_seconds))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _TIMEVAL.pack(*divmod(microseconds, 1_000_000)))
        data = bytearray()
        size = _SIZE.size
        while len(data) < size:
            data += self._read(max(_READ_BYTES, size - len(data)))
            if len(data) >= _SIZE.size:
                size = _SIZE.size + _SIZE.unpack_from(data)[0]
        return memoryview(data)[_SIZE.size :]

    def _read(self, max_bytes: int) -> bytes:
        try:
            data = self._socket.recv(max_bytes)
        except BlockingIOError:
            raise TimeoutError from None
        if not data:
            raise EOFError
        return data
