"""Writes log lines to a file descriptor without ever making those that log wait.

One thread writes. Between it and the others is a queue with a bound: while what reads the log stalls (a terminal after
Ctrl-S, a log driver that hangs) or the disk is full, the queue fills up, and then lines are dropped and counted. When
lines can be written again, one says how many are missing.
"""

import os
import select
import threading
import time
from collections.abc import Callable, Iterable, Iterator

QUEUED_MAX_BYTES = 4 * 1024 * 1024  # some 10,000 lines: seconds of the busiest service
WRITE_MAX_BYTES = 64 * 1024  # at once: what a pipe takes
GATHER_SECONDS = 0.02  # lines that come so soon after each other are written together: the thread wakes up seldom
PAUSE_SECONDS = 0.2  # after a write that failed
DRAIN_SECONDS = 1.0  # what the end of the process waits for a reader


class LogWriter:
    """A text stream for `logging.StreamHandler`. Safe to use from many threads.

    `describe_drops` makes the line that tells of a number of lines dropped.
    """

    def __init__(self, descriptor: int, describe_drops: Callable[[int], str]) -> None:
        self._descriptor = descriptor
        self._describe_drops = describe_drops
        self._changed = threading.Condition()
        self._lines: list[bytes] = []
        self._queued_bytes = 0  # of them, and of what is being written
        self.dropped_count = 0  # lines of which no line has told yet
        self.dropped_total = 0  # since the start
        self._is_writing = False
        self._is_cut = False  # the end of the line that was written last is missing
        threading.Thread(target=self._keep_writing, name="log-writer", daemon=True).start()

    def write(self, line: str) -> None:
        """Have a line, with its end, written; or dropped where there is no room. Waits for no reader."""
        data = line.encode(errors="backslashreplace")
        with self._changed:
            if self._queued_bytes + len(data) > QUEUED_MAX_BYTES:
                self.dropped_count += 1
                self.dropped_total += 1
                return
            self._lines.append(data)
            self._queued_bytes += len(data)
            if not self._is_writing:
                self._changed.notify_all()

    def flush(self) -> None:
        """Nothing: `StreamHandler` does so after each line. See `drain`."""

    def drain(self) -> None:
        """Wait until all is written, for a second at most."""
        with self._changed:
            self._changed.wait_for(lambda: not (self._lines or self._is_writing), DRAIN_SECONDS)

    def _keep_writing(self) -> None:
        while True:
            self._wait_for_lines()
            for piece in _pieces(self._take_lines()):
                if (count := self._take_drops()) and self._write(self._describe_drops(count).encode()):
                    self._note_drops(count)
                rest = self._write(piece)
                self._note_written(len(piece))
                if rest:
                    lost_count = rest.lstrip().count(b"\n")
                    self._note_drops(lost_count, in_total=lost_count)
                    time.sleep(PAUSE_SECONDS)

    def _wait_for_lines(self) -> None:
        with self._changed:
            self._is_writing = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._lines)
            self._is_writing = True
        time.sleep(GATHER_SECONDS)

    def _take_lines(self) -> list[bytes]:
        """All lines. Those that log wait for this thread as long as it has the lock."""
        with self._changed:
            lines, self._lines = self._lines, []
        return lines

    def _note_written(self, count_bytes: int) -> None:
        with self._changed:
            self._queued_bytes -= count_bytes

    def _take_drops(self) -> int:
        with self._changed:
            count, self.dropped_count = self.dropped_count, 0
        return count

    def _note_drops(self, count: int, *, in_total: int = 0) -> None:
        with self._changed:
            self.dropped_count += count
            self.dropped_total += in_total

    def _write(self, data: bytes) -> bytes:
        """Write it; returns what could not be written: the reader has gone, or the disk is full."""
        rest = b"\n" + data if self._is_cut else data
        try:
            while rest:
                rest = rest[self._write_some(rest) :]
                self._is_cut = bool(rest)
        except OSError:
            pass
        return rest

    def _write_some(self, data: bytes) -> int:
        try:
            return os.write(self._descriptor, data)
        except BlockingIOError:  # another program has made the descriptor one that does not wait
            writable = select.poll()
            writable.register(self._descriptor, select.POLLOUT)
            writable.poll()
            return 0


def _pieces(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The lines, as many together as are written at once."""
    together: list[bytes] = []
    size_bytes = 0
    for line in lines:
        together.append(line)
        size_bytes += len(line)
        if size_bytes >= WRITE_MAX_BYTES:
            yield b"".join(together)
            together, size_bytes = [], 0
    if together:
        yield b"".join(together)
