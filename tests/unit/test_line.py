"""The line between the web process and its workers."""

import threading
import time
from collections.abc import Iterator

import pytest

from bridge.slurm.line import Line

LONG = b"x" * (4 * 1024 * 1024)  # more than a socket takes at once


@pytest.fixture
def ends() -> Iterator[tuple[Line, Line]]:
    one, other = Line.pair()
    yield one, other
    one.close()
    other.close()


@pytest.mark.parametrize("message", [pytest.param(("a", 1, None), id="short"), pytest.param(LONG, id="long")])
def test_what_is_sent_is_received(ends: tuple[Line, Line], message: object) -> None:
    one, other = ends
    for sender, receiver in ((one, other), (other, one), (one, other)):
        thread = threading.Thread(target=sender.send, args=(message,))
        thread.start()
        assert receiver.receive(10) == message
        thread.join()


def test_nothing_comes(ends: tuple[Line, Line]) -> None:
    one, other = ends
    for timeout_seconds in (0.3, 0.0, 1e-9):
        started_at = time.monotonic()
        with pytest.raises(TimeoutError):
            one.receive(timeout_seconds)
        assert timeout_seconds <= time.monotonic() - started_at < 5
    other.send("late")
    assert one.receive(10) == "late"


def test_the_other_end_is_closed(ends: tuple[Line, Line]) -> None:
    one, other = ends
    other.send("last")
    other.close()
    assert one.receive(10) == "last"
    with pytest.raises(EOFError):
        one.receive(10)
    with pytest.raises(OSError, match="Broken pipe"):
        one.send("too late")
