"""What workers write to standard error, as records of the log."""

import logging
import os
from collections.abc import Iterator
from multiprocessing import Pipe

import pytest

from bridge.slurm.client.pool import WorkerPool
from bridge.slurm.client.start_gate import StartGate
from bridge.slurm.errors import WorkerUnavailableError
from bridge.slurm.message_socket import MessageSocket
from bridge.slurm.messages import Ready
from bridge.slurm.worker_output import QUIET_SECONDS, WorkerOutput
from tests.support.waiting import wait_until

FETCH = b"python3: error: slurm_fetch_token: error with request: Required plugin type not loaded\n"


def talking_worker(line: MessageSocket) -> None:
    """Writes as libslurm does, not as Python does."""
    os.write(2, FETCH)
    line.send(Ready())
    line.receive_request(60)


def dying_worker(_line: MessageSocket) -> None:
    """Ends as libslurm does without a slurm.conf."""
    os.write(2, b"python3: fatal: Could not establish a configuration source\n")
    os._exit(1)


@pytest.fixture
def records(caplog: pytest.LogCaptureFixture) -> Iterator[list[tuple[str, str]]]:
    """Level and words of what was told so far."""
    told: list[tuple[str, str]] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append((record.levelname, vars(record)["words"]))

    logger, listener = logging.getLogger("bridge.slurm.worker_output"), Listener()
    logger.addHandler(listener)
    with caplog.at_level(logging.INFO):
        yield told
    logger.removeHandler(listener)


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def follow(output: WorkerOutput, text: bytes) -> str:
    """A worker writes `text` and ends."""
    ours, theirs = Pipe(duplex=False)
    os.write(theirs.fileno(), text)
    theirs.close()
    with ours:
        return output.follow(ours)


def test_words_are_told_once_for_all_workers_of_a_pool(
    records: list[tuple[str, str]], capfd: pytest.CaptureFixture[str]
) -> None:
    pool = WorkerPool(talking_worker, (), StartGate(), size=3)
    pool.start()
    wait_until(lambda: records, "the words are told")
    pool.close()
    assert records == [("WARNING", "slurm_fetch_token: error with request: Required plugin type not loaded")]
    assert "slurm_fetch_token" not in capfd.readouterr().err


def test_a_worker_that_cannot_start_is_explained_by_its_last_words(records: list[tuple[str, str]]) -> None:
    pool = WorkerPool(dying_worker, (), StartGate(), size=1)
    with pytest.raises(WorkerUnavailableError, match="exit status 1: Could not establish a configuration source"):
        pool.start()
    assert ("WARNING", "Could not establish a configuration source") in records


@pytest.mark.parametrize(
    ("line", "told"),
    [
        pytest.param(b"python3: error: a\n", ("WARNING", "a"), id="error"),
        pytest.param(b"fatal: b: c\n", ("WARNING", "b: c"), id="fatal"),
        pytest.param(b"python3: Backing off\n", ("INFO", "Backing off"), id="neither"),
        pytest.param(b"\xff no newline", ("INFO", "\N{REPLACEMENT CHARACTER} no newline"), id="no-text"),
    ],
)
def test_a_line_is_told_without_its_prefix(records: list[tuple[str, str]], line: bytes, told: tuple[str, str]) -> None:
    assert follow(WorkerOutput(), line) == told[1]
    assert records == [told]


def test_the_same_words_are_told_again_after_a_while(records: list[tuple[str, str]]) -> None:
    clock = Clock()
    output = WorkerOutput(clock)
    for clock.seconds in (0.0, QUIET_SECONDS - 1, QUIET_SECONDS + 1, QUIET_SECONDS + 2):
        follow(output, FETCH)
    assert len(records) == 2


def test_words_that_are_never_the_same_take_no_memory(records: list[tuple[str, str]]) -> None:
    output = WorkerOutput()
    follow(output, b"".join(b"job %d\n" % number for number in range(250)))
    assert len(records) == 250
    assert len(output._told_at_seconds) <= 100
