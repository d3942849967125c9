"""A connection to waitress, told to answer in our words what it refuses by itself, and to stay with a busy client.

It refuses bad HTTP, heads and bodies beyond the limits, and requests that do not get complete.

It belongs to the loop that reads from all of them, or to the thread that handles its request: the loop gives it away
with a complete request, and gets it back when the thread has sent the answer and heard nothing more for a moment. A
client that sends one request after the other so has a thread for itself. Handing each over and back takes two changes
of threads, a fifth of what a submission costs the web process.
"""

import json
import logging
import select
import socket
import threading
import time
from functools import lru_cache
from typing import Any

from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.task import ErrorTask, WSGITask
from waitress.utilities import Error, build_http_date

from bridge.afterwards import Answering
from bridge.deadline import Deadline
from bridge.errors import (
    BodyTooLargeError,
    BridgeError,
    HeadTooLargeError,
    InternalError,
    MalformedRequestError,
    RequestTimeoutError,
)
from bridge.middleware import request_id_for
from bridge.problems import PROBLEM_MEDIA_TYPE, problem_document

log = logging.getLogger(__name__)

# A socket that is closed with input unread tells its client "connection reset", which may overtake the answer. So
# what a refused client goes on sending is thrown away for a while (RFC 9112, section 9.6).
DISCARD_SECONDS = 5.0
DISCARD_MAX_BYTES = 8 * 1024 * 1024
DISCARD_READ_BYTES = 64 * 1024


# How long a thread stays with a connection whose request it has answered: more than a client takes to send the next.
STAY_SECONDS = 0.02


class ThisThread(threading.local):
    """What a thread knows of itself; another thread sees its own."""

    channel: "ProblemChannel | None" = None  # that it handles the requests of


this_thread = ThisThread()


class LateError(Error):
    """As waitress's own errors, for a request that did not get complete in time."""

    code = RequestTimeoutError.status
    reason = RequestTimeoutError.title


class ProblemTask(ErrorTask):
    """Answers a request that never reaches the application."""

    @property
    def has_body(self) -> bool:
        """Not where the request is a `HEAD`; waitress asks only for the status."""
        return super().has_body and getattr(self.request, "command", "") != "HEAD"

    def execute(self) -> None:
        """See the class."""
        channel: Any = self.channel  # a ProblemChannel
        request: Any = self.request  # an HTTPRequestParser, which has a path only if it got as far
        path = getattr(request, "path", "")
        error = _error_of(request.error, channel.adj)
        request_id = request_id_for(request.headers.get("X_REQUEST_ID"))
        log.info(
            "refused",
            extra={
                "request_id": request_id,
                "path": path,
                "status": error.status,
                "client": channel.addr[0],
                "problem": error.type,
                "detail": str(error),
            },
        )
        body = json.dumps(problem_document(error, path, request_id)).encode()
        self.status = f"{error.status} {error.title}"
        self.response_headers = [("Content-Type", PROBLEM_MEDIA_TYPE), ("X-Request-ID", request_id)]
        if error.retry_after_seconds is not None:
            self.response_headers.append(("Retry-After", str(error.retry_after_seconds)))
        self.set_close_on_finish()
        self.content_length = len(body)
        channel.is_refused = True
        self.write(body if self.has_body else b"")


def _error_of(error: Any, limits: Any) -> BridgeError:
    """Ours for one of waitress's `utilities.Error`; `limits` are its Adjustments."""
    match error.code:
        case BodyTooLargeError.status:
            return BodyTooLargeError(f"The body may have {limits.max_request_body_size - 1} bytes.")
        case HeadTooLargeError.status:
            return HeadTooLargeError(f"Address and headers may have {limits.max_request_header_size} bytes together.")
        case RequestTimeoutError.status:
            return RequestTimeoutError(error.body)
        case InternalError.status:
            return InternalError("This is a bug in the bridge; the log holds its cause.")
        case _:
            return MalformedRequestError(f"This is not HTTP that the service reads: {error.body}.")


class AnswerTask(WSGITask):
    """Answers a request as waitress does, and puts the usual head of an answer together in less than half the time."""

    def build_response_header(self) -> bytes:
        """The head, for an HTTP/1.1 client that keeps its connection and a body of known size; else waitress's own."""
        request: Any = self.request
        is_last = request.headers.get("CONNECTION", "").lower() == "close"
        if self.version != "1.1" or is_last or not self.has_body:
            return super().build_response_header()
        headers = {_capitalized(name): text for name, text in self.response_headers}
        if len(headers) != len(self.response_headers) or "Content-Length" not in headers:
            return super().build_response_header()
        headers |= {"Date": _http_date(int(self.start_time)), "Server": self.channel.server.adj.ident}
        lines = [f"{name}: {text}\r\n" for name, text in headers.items()]
        return f"HTTP/1.1 {self.status}\r\n{''.join(lines)}\r\n".encode("latin-1")


@lru_cache(maxsize=256)
def _capitalized(name: str) -> str:
    return name.title()


_http_date = lru_cache(maxsize=2)(build_http_date)


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

    task_class = AnswerTask
    error_task_class = ProblemTask
    is_lent = False  # to a thread; only that closes the socket, reads from it and takes requests
    was_answered = False  # before, to any request
    is_refused = False  # the rest of its input is of no interest
    discards_until: float | None = None  # the refusal has left; what still comes in is thrown away
    discarded_bytes = 0
    request_began_at = 0.0

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.waiting_since = self.creation_time  # when it was accepted, or its last request answered

    @property
    def is_waiting(self) -> bool:
        """No request of it is being handled, no answer is being sent, and it is not about to be closed."""
        return not (self.requests or self.total_outbufs_len or self.close_when_flushed or self.will_close)

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
        if pipelined:
            first.headers["CONNECTION"] = "close"
        with Answering():
            super().service()
            self.waiting_since = time.time()
            self.was_answered = True
            self._flush_exception(self._flush_some, do_close=False)

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
            return self.connected and self.total_outbufs_len >= self.adj.send_bytes
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
            return bool(waitress_channel._flush_some(do_close=do_close))

    def write_soon(self, data: Any) -> int:
        """Send an answer, or the next part of one."""
        if not self.total_outbufs_len:
            self.last_activity = time.time()  # from now on its client may keep the service waiting
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

    def enforce_timeouts(self, now: float, read_timeout_seconds: float, idle_timeout_seconds: float) -> None:
        """Refuse the request that does not get complete; close the connection where nothing at all happens."""
        if self.discards_until is not None:
            if now >= self.discards_until:
                self.handle_close()
        elif self.total_outbufs_len:  # its client does not read on; a thread may be waiting for that
            if now - self.last_activity > idle_timeout_seconds:
                self.handle_close()
        elif self.is_lent or not self.is_waiting:
            pass
        elif self.request is not None:
            if now - max(self.request_began_at, self.waiting_since) > read_timeout_seconds:
                self._refuse_late(f"The request was not complete after {read_timeout_seconds:g} seconds.")
        elif now - max(self.waiting_since, self.last_activity) > idle_timeout_seconds:
            self.handle_close()

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
