"""A log that is not read, or cannot be written, makes no thread wait, and says later what is missing."""

import fcntl
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.core.log_writer import QUEUED_MAX_BYTES, LogWriter
from tests.support.waiting import wait_until

LINE = "x" * 1023 + "\n"
TOO_MANY = QUEUED_MAX_BYTES // len(LINE) + 500  # for the queue and a pipe together


class Reader:
    """The other end of a log: it reads from when it is told to."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._text = b""
        self.thread = threading.Thread(target=self._read, daemon=True)

    def _read(self) -> None:
        while data := os.read(self._descriptor, 65536):
            self._text += data

    @property
    def lines(self) -> list[str]:
        return self._text.decode().splitlines()


@pytest.fixture
def pipe() -> Iterator[tuple[Reader, int]]:
    reading, writing = os.pipe()
    yield Reader(reading), writing
    os.close(writing)


def drops(count: int) -> str:
    return f"{count} dropped\n"


def test_what_is_written_is_read(pipe: tuple[Reader, int]) -> None:
    reader, descriptor = pipe
    reader.thread.start()
    writer = LogWriter(descriptor, drops)
    for number in range(1000):
        writer.write(f"line {number}\n")
    writer.drain()
    wait_until(lambda: len(reader.lines) == 1000, "all lines are there")
    assert reader.lines == [f"line {number}" for number in range(1000)]


@pytest.mark.parametrize("waits", [True, False], ids=["usual", "descriptor-that-does-not-wait"])
def test_a_reader_that_stalls(pipe: tuple[Reader, int], waits: bool) -> None:
    reader, descriptor = pipe
    fcntl.fcntl(descriptor, fcntl.F_SETFL, 0 if waits else os.O_NONBLOCK)
    writer = LogWriter(descriptor, drops)
    for _ in range(TOO_MANY):
        writer.write(LINE)  # returns, or the test ends here
    writer.drain()
    reader.thread.start()
    wait_until(
        lambda: _told(reader) and len(reader.lines) - 1 + _told(reader) == TOO_MANY, "each line is there or told"
    )
    assert 0 < _told(reader) < TOO_MANY


def _told(reader: Reader) -> int:
    return sum(int(line.split()[0]) for line in reader.lines if "dropped" in line)


def test_a_disk_that_is_full_and_then_is_not(tmp_path: Path) -> None:
    path = tmp_path / "log"
    descriptor = os.open("/dev/full", os.O_WRONLY)
    writer = LogWriter(descriptor, drops)
    writer.write("lost\n")
    wait_until(lambda: writer.dropped_count == 1, "the drop is counted")
    file = os.open(path, os.O_WRONLY | os.O_CREAT)
    os.dup2(file, descriptor)
    writer.write("kept\n")
    wait_until(lambda: path.read_text().endswith("kept\n"), "it is written")
    assert path.read_text() == "1 dropped\nkept\n"
    os.close(file)


def test_a_reader_that_has_gone(pipe: tuple[Reader, int]) -> None:
    reading, descriptor = os.pipe()
    os.close(reading)
    writer = LogWriter(descriptor, drops)
    for number in range(3):
        writer.write(f"line {number}\n")
    writer.drain()
    wait_until(lambda: writer.dropped_count == 3, "the drops are counted")
    reader, working = pipe
    os.dup2(working, descriptor)
    reader.thread.start()
    writer.write("kept\n")
    wait_until(lambda: reader.lines == ["3 dropped", "kept"], "it is read")
    os.close(descriptor)


PROGRAM = """
import logging, sys, threading
from bridge.core.json_logs import configure_logging
configure_logging(verbose=False)
def end(): raise ValueError("can" + "ary")
thread = threading.Thread(target=end)
thread.start()
thread.join()
for number in range(int(sys.argv[1])):
    logging.getLogger("x").info("%s %s", number, "x" * 1000)
"""


def test_the_end_of_a_process_writes_what_is_left_and_waits_for_no_reader() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, "10"], capture_output=True, text=True, check=True)
    thread, *lines = map(json.loads, done.stderr.splitlines())
    assert (thread["message"], "ValueError" in thread["traceback"]) == ("a thread has ended by an error", True)
    assert "canary" not in done.stderr
    assert [line["message"].split()[0] for line in lines] == [str(number) for number in range(10)]
    with subprocess.Popen([sys.executable, "-c", PROGRAM, "10000"], stderr=subprocess.PIPE) as stalled:
        assert stalled.wait(30) == 0
