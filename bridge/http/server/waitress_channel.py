"""waitress's HTTPChannel with timeouts, and a thread that stays with a busy connection.

It refuses bad HTTP, heads and bodies beyond the limits, and requests that do not get complete.

Which thread may do what. A connection belongs to the loop, or to the thread that handles its request (`is_lent`).
The loop lends it with a complete request, and gets it back when the thread has sent the answer and heard nothing more
for a moment. While it is lent, only that thread closes the socket, reads from it and takes requests.
- In the loop: `received`, `readable`, `writable`, `handle_read`, `handle_write`, `handle_close`, `enforce_timeouts`.
- In the thread: `service`, and what it calls; `write_soon`.
- In both, under `outbuf_lock`: `_flush_some`.

A thread that stays gives 11 % more submissions with one client and 42 to 45 % more status reads with 8 and 64 clients
(`bench/ablation.py`): a request then needs no change of threads.

Of waitress 3.0.2 this uses beyond its documentation: the methods above, `requests`, `requests_lock`, `outbuf_lock`,
`total_outbufs_len`, `close_when_flushed`, `will_close`, `_flush_exception`, `_flush_some`, `wasyncore.read`, and
`HTTPRequestParser.body_bytes_received`.
"""

import re
import select
import socket
import threading
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.utilities import BadRequest

from bridge.core.deadline import Deadline
from bridge.http.server.body_limits import LimitingParser
from bridge.http.server.waitress_tasks import AnswerTask, LateError, ProblemTask

# A socket that is closed with input unread tells its client "connection reset", which may overtake the answer. So
# what a refused client goes on sending is thrown away for a while (RFC 9112, section 9.6).
DISCARD_SECONDS = 5.0
DISCARD_MAX_BYTES = 8 * 1024 * 1024
DISCARD_READ_BYTES = 64 * 1024


# How long a thread stays with a connection whose request it has answered: more than a client takes to send the next.
STAY_SECONDS = 0.02


READING_WINDOW_SECONDS = 30.0  # over which a client's reading is measured: it may pause for less


_LOCAL_NAME = re.compile(r"(?:(?:[a-z0-9-]+\.)*localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])\.?(?::[0-9]*)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long clients may take: for a request, between two, and for reading an answer."""

    read_seconds: float
    idle_seconds: float
    least_bytes_per_second: int

    @property
    def reading_window_seconds(self) -> float:
        """Over which reading is measured."""
        return min(READING_WINDOW_SECONDS, self.idle_seconds)


class ThisThread(threading.local):
    """What a thread knows of itself; another thread sees its own."""

    channel: "ProblemChannel | None" = None  # that it handles the requests of


this_thread = ThisThread()


@lru_cache(maxsize=256)
def _fault_of_host(host: str, is_for_local_names: bool) -> str | None:
    """What is wrong with the `Host` of a request; one that is missing is waitress's to judge."""
    if "," in host:  # waitress puts values together that came in two headers
        return "it has more than one Host"
    if not host or not is_for_local_names or _LOCAL_NAME.fullmatch(host):
        return None
    return "its Host is no name of loopback, and callers need no token here: ask http://localhost, or set token_file"


class ProblemChannel(HTTPChannel):
    """A connection whose refusals are problems, and that knows how long it has kept the service waiting.

    Times are those of `time.time()`, as waitress's own.
    """

    # What waitress's stubs leave out, or do not tell in full.
    requests: list[Any]
    requests_lock: threading.Lock
    server: Any
    socket: Any
    _flush_exception: Any

    parser_class = LimitingParser
    task_class = AnswerTask
    error_task_class = ProblemTask
    is_lent = False  # to a thread; only that closes the socket, reads from it and takes requests
    was_answered = False  # before, to any request, and has taken that answer
    is_refused = False  # the rest of its input is of no interest
    discards_until: float | None = None  # the refusal has left; what still comes in is thrown away
    discarded_bytes = 0
    request_began_at = 0.0
    # Of the answer that is being sent: since when its client may be measured, and how much it has taken since then.
    reading_since = 0.0
    taken_bytes = 0

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.waiting_since = self.creation_time  # when it was accepted, or its last request answered

    @property
    def is_waiting(self) -> bool:
        """No request of it is being handled, no answer is being sent, and it is not about to be closed."""
        return not (self.requests or self.total_outbufs_len or self.close_when_flushed or self.will_close)

    @property
    def received_bytes(self) -> int:
        """How much of the body has come of a request that is not complete."""
        if self.request is None:
            return 0
        request: Any = self.request
        return int(request.body_bytes_received)

    def has_hung_up(self) -> bool:
        """Whether the client has closed its side of the connection: it is not worth while to wait for it."""
        watched = select.poll()
        watched.register(self.socket.fileno(), select.POLLRDHUP)
        return bool(watched.poll(0))

    def reading_rate(self, now: float) -> float:
        """How fast the client takes the answer that is being sent, in bytes a second."""
        return self.taken_bytes / max(now - self.reading_since, 0.001)

    def service(self) -> None:
        """Handle a request, in a thread, and those that its client sends soon after the answer."""
        this_thread.channel = self
        try:
            self._answer()
            while self._hears_more():
                self._answer()
        finally:
            this_thread.channel = None
            self.is_lent = False
            self.server.pull_trigger()

    def _answer(self) -> None:
        """Handle a request; the connection ends with it where its client has sent more before the answer.

        The answers to those would wait, in a thread, for a client that need not read (RFC 9112, section 9.3.2, lets a
        server close such a connection).
        """
        with self.requests_lock:
            first, *pipelined = self.requests
            for request in pipelined:
                request.close()
            self.requests = [first]
        connection = first.headers.get("CONNECTION", "")
        if pipelined or ("," in connection and "close" in connection.lower().replace(",", " ").split()):
            first.headers["CONNECTION"] = "close"
        fault = _fault_of_host(first.headers.get("HOST", ""), self.server.is_for_local_names)
        if fault is not None and first.error is None:
            first.error = BadRequest(fault)
        was_answered = self.was_answered
        self.waiting_since, self.was_answered = time.time(), True  # the loop may look as soon as the answer has left
        super().service()
        self.waiting_since = time.time()
        self.was_answered = was_answered or not self.total_outbufs_len

    def _hears_more(self) -> bool:
        """Whether the next request has come in; not where the loop has to send or to close, or other clients wait."""
        deadline = Deadline.after(STAY_SECONDS)
        arrived = select.poll()
        arrived.register(self.socket.fileno(), select.POLLIN)
        while not (self.requests or self.will_close or self.close_when_flushed or self.total_outbufs_len):
            if not (self.server.task_dispatcher.may_stay and arrived.poll(1000 * deadline.remaining_seconds)):
                return False
            wasyncore.read(self)
        return bool(self.requests)

    def readable(self) -> bool:
        """Whether the loop should read from it."""
        return not self.is_lent and super().readable()

    def writable(self) -> bool:
        """Whether the loop should send what is left, or close it. A thread sends by itself what its client takes."""
        if self.is_lent:
            return self.connected and bool(self.total_outbufs_len)
        return bool(super().writable())

    def handle_close(self) -> None:
        """Close the socket; where a thread has it, that is told to leave it first."""
        if not self.is_lent:
            super().handle_close()
            return
        with self.outbuf_lock:
            self.connected = False
            self.will_close = True
            self.outbuf_lock.notify()

    def _flush_some(self, do_close: bool = True) -> bool:
        waitress_channel: Any = super()
        with self.outbuf_lock:  # the loop and the thread may do so at the same time
            unsent_bytes = self.total_outbufs_len
            has_sent = bool(waitress_channel._flush_some(do_close=do_close))
            self.taken_bytes += unsent_bytes - self.total_outbufs_len
            return has_sent

    def write_soon(self, data: Any) -> int:
        """Send an answer, or the next part of one."""
        if not self.total_outbufs_len:
            # From now on its client may keep the service waiting.
            self.last_activity = self.reading_since = time.time()
            self.taken_bytes = 0
        return super().write_soon(data)

    def received(self, data: bytes) -> bool:
        """Take what has been read."""
        if self.request is None:
            self.request_began_at = time.time()
        return super().received(data)

    def send_continue(self) -> None:
        """Ask for the body; waitress itself would ask for that of a request which it has refused, too."""
        request: Any = self.request
        if request.error:
            request.expect_continue = False
        else:
            super().send_continue()

    def enforce_timeouts(self, now: float, limits: Timeouts) -> None:
        """Refuse the request that does not get complete; close the connection where nothing, or too little, happens."""
        if self.discards_until is not None:
            if now >= self.discards_until:
                self.handle_close()
        elif self.total_outbufs_len:  # its client does not read on; a thread may be waiting for that
            self._enforce_reading(now, limits)
        elif self.is_lent or not self.is_waiting:
            pass
        elif self.request is not None:
            if now - max(self.request_began_at, self.waiting_since) > limits.read_seconds:
                self._refuse_late(f"The request was not complete after {limits.read_seconds:g} seconds.")
        elif now - max(self.waiting_since, self.last_activity) > limits.idle_seconds:
            self.handle_close()

    def _enforce_reading(self, now: float, limits: Timeouts) -> None:
        """Close it where its client takes less of the answer than it has to."""
        if now - self.reading_since <= limits.reading_window_seconds:
            return
        if self.reading_rate(now) < limits.least_bytes_per_second:
            self.handle_close()
        self.reading_since, self.taken_bytes = now, 0

    def _refuse_late(self, detail: str) -> None:
        request: Any = self.request
        request.error = LateError(detail)
        request.path = getattr(request, "path", "")  # waitress logs it where the client has gone
        with self.requests_lock:
            self.request = None
            self.requests.append(request)
        self.server.add_task(self)

    def handle_write(self) -> None:
        """Send on; when a refusal has left, listen on instead of closing."""
        if self.is_refused and self.close_when_flushed:
            self._flush_exception(self._flush_some)
            if not (self.total_outbufs_len or self.will_close):
                self.close_when_flushed = False
                self.discards_until = time.time() + DISCARD_SECONDS
                self.socket.shutdown(socket.SHUT_WR)
                return
        super().handle_write()

    def handle_read(self) -> None:
        """Read on; waitress itself reads what is not refused."""
        if self.discards_until is None:
            super().handle_read()
            return
        self.discarded_bytes += len(self.recv(DISCARD_READ_BYTES))
        if self.discarded_bytes > DISCARD_MAX_BYTES:
            self.handle_close()
