"""The line between the web process and its workers."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from bridge.slurm.message_format import Reply, Request
from bridge.slurm.message_socket import MessageSocket
from bridge.slurm.messages import Bug, JobSnapshot, Ping, QueueChange, Submitted
from tests.support.samples import descriptor

SNAPSHOT = JobSnapshot("20_3", "", "RUNNING", None, 0, 0, 1, 2, None, "n1", "normal", 0)
LONG = Bug("x" * (4 * 1024 * 1024))  # more than a socket takes at once
LAST, LATE = Submitted("1"), Submitted("2")


@pytest.fixture
def ends() -> Iterator[tuple[MessageSocket, MessageSocket]]:
    one, other = MessageSocket.pair()
    yield one, other
    one.close()
    other.close()


REQUESTS = [pytest.param(descriptor(Path("/")), id="submission"), pytest.param(Ping(), id="empty")]
REPLIES = [
    pytest.param(QueueChange(is_full=True, jobs=(SNAPSHOT,), gone=("1",)), id="nested"),
    pytest.param(LONG, id="long"),
]


@pytest.mark.parametrize("message", [*REQUESTS, *REPLIES])
def test_what_is_sent_is_received(ends: tuple[MessageSocket, MessageSocket], message: Request | Reply) -> None:
    one, other = ends
    for sender, receiver in ((one, other), (other, one), (one, other)):
        thread = threading.Thread(target=sender.send, args=(message,))
        thread.start()
        received = receiver.receive_request(10) if isinstance(message, Request) else receiver.receive_reply(10)
        assert (type(received), received) == (type(message), message)
        thread.join()


@pytest.mark.parametrize(
    ("sent", "receive"),
    [
        pytest.param(LAST, MessageSocket.receive_request, id="reply-for-a-request"),
        pytest.param(Ping(), MessageSocket.receive_reply, id="request-for-a-reply"),
        pytest.param(Submitted(1), MessageSocket.receive_reply, id="number-for-a-text"),  # type: ignore[arg-type]
    ],
)
def test_a_message_of_another_type_is_refused(
    ends: tuple[MessageSocket, MessageSocket],
    sent: Request | Reply,
    receive: Callable[[MessageSocket, float], Request | Reply],
) -> None:
    one, other = ends
    one.send(sent)
    with pytest.raises(msgspec.ValidationError):
        receive(other, 10)


def test_nothing_comes(ends: tuple[MessageSocket, MessageSocket]) -> None:
    one, other = ends
    for timeout_seconds in (0.3, 0.0, 1e-9):
        started_at = time.monotonic()
        with pytest.raises(TimeoutError):
            one.receive_reply(timeout_seconds)
        assert timeout_seconds <= time.monotonic() - started_at < 5
    other.send(LATE)
    assert one.receive_reply(10) == LATE


def test_the_other_end_is_closed(ends: tuple[MessageSocket, MessageSocket]) -> None:
    one, other = ends
    other.send(LAST)
    other.close()
    assert one.receive_reply(10) == LAST
    with pytest.raises(EOFError):
        one.receive_reply(10)
    with pytest.raises(OSError, match="Broken pipe"):
        one.send(LATE)
