"""The line between the web process and its workers."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.slurm.line import Line
from bridge.slurm.messages import Bug, JobSnapshot, Message, Ping, QueueChange, Submitted
from tests.support.samples import descriptor

SNAPSHOT = JobSnapshot("20_3", "", "RUNNING", None, 0, 0, 1, 2, None, "n1", "normal", 0)
LONG = Bug("x" * (4 * 1024 * 1024))  # more than a socket takes at once
LAST, LATE = Submitted("1"), Submitted("2")


@pytest.fixture
def ends() -> Iterator[tuple[Line, Line]]:
    one, other = Line.pair()
    yield one, other
    one.close()
    other.close()


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(descriptor(Path("/")), id="request"),
        pytest.param(Ping(), id="empty"),
        pytest.param(QueueChange(is_full=True, jobs=(SNAPSHOT,), gone=("1",)), id="nested"),
        pytest.param(LONG, id="long"),
    ],
)
def test_what_is_sent_is_received(ends: tuple[Line, Line], message: Message) -> None:
    one, other = ends
    for sender, receiver in ((one, other), (other, one), (one, other)):
        thread = threading.Thread(target=sender.send, args=(message,))
        thread.start()
        received = receiver.receive(10)
        assert (type(received), received) == (type(message), message)
        thread.join()


def test_nothing_comes(ends: tuple[Line, Line]) -> None:
    one, other = ends
    for timeout_seconds in (0.3, 0.0, 1e-9):
        started_at = time.monotonic()
        with pytest.raises(TimeoutError):
            one.receive(timeout_seconds)
        assert timeout_seconds <= time.monotonic() - started_at < 5
    other.send(LATE)
    assert one.receive(10) == LATE


def test_the_other_end_is_closed(ends: tuple[Line, Line]) -> None:
    one, other = ends
    other.send(LAST)
    other.close()
    assert one.receive(10) == LAST
    with pytest.raises(EOFError):
        one.receive(10)
    with pytest.raises(OSError, match="Broken pipe"):
        one.send(LATE)
