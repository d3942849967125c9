"""What a worker renews where an error tells that it is outdated, and which requests it repeats then."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from bridge.slurm.message_format import Reply, Request
from bridge.slurm.messages import AskController, Bug, Failure, JobDescriptor, NotSent, Pinged, Submitted
from bridge.slurm.worker.session import Session
from tests.support.samples import descriptor

CONNECT_FAILURE, NO_ANSWER, AUTHENTICATION, EXPIRED, NO_PARTITION = 1800, 5004, 1007, 6001, 2000


class RPCError(Exception):
    """pyslurm's."""

    def __init__(self, errno: int) -> None:
        super().__init__()
        self.errno, self.msg = errno, "Slurm's words"


class FakePyslurm:
    """Counts how often libslurm was started again."""

    RPCError = RPCError

    def __init__(self) -> None:
        self.starts = 0

    def slurm_fini(self) -> None:
        pass

    def slurm_init(self, _conf_path: str | None) -> None:
        self.starts += 1


class FakeSignature:
    """Counts how often its token was found to be bad; `failure` is what a renewal ends with."""

    def __init__(self) -> None:
        self.expired = 0
        self.failure: int | None = None

    def renew_if_due(self) -> None:
        if self.failure is not None:
            raise RPCError(self.failure)

    def expire(self) -> None:
        self.expired += 1


@pytest.fixture
def conf_path(tmp_path: Path) -> Path:
    path = tmp_path / "slurm.conf"
    path.write_text("SlurmctldPort=6817\n")
    return path


class Worker:
    """A session whose requests end with these numbers, one after the other, and then are answered."""

    def __init__(self, conf_path: Path, *codes: int) -> None:
        self.pyslurm = cast("Any", FakePyslurm())
        self.signature = cast("Any", FakeSignature())
        self._codes = list(codes)
        self.tries = 0
        handlers: dict[type[Request], Callable[[Any], Reply]] = {JobDescriptor: self._submit, AskController: self._ask}
        self.session = Session(self.pyslurm, str(conf_path), handlers, self.signature)

    def _submit(self, _job: JobDescriptor) -> Reply:
        self.tries += 1
        return Failure(self._codes.pop(0), "Slurm's words") if self._codes else Submitted("17")

    def _ask(self, _request: AskController) -> Reply:
        self.tries += 1
        if self._codes:
            raise RPCError(self._codes.pop(0))
        return Pinged(())


SUBMISSION = descriptor(Path("/"))


@pytest.mark.parametrize("code", [AUTHENTICATION, EXPIRED])
def test_a_refused_signature_is_renewed_once(conf_path: Path, code: int) -> None:
    worker = Worker(conf_path, code)
    assert worker.session.reply_to(SUBMISSION) == Submitted("17")
    assert worker.signature.expired == 1
    worker = Worker(conf_path, code, code, code)
    assert worker.session.reply_to(SUBMISSION) == Failure(code, "Slurm's words")
    assert worker.tries == 2


def test_a_changed_slurm_conf_is_read_where_the_controller_is_not_found(conf_path: Path) -> None:
    worker = Worker(conf_path, CONNECT_FAILURE, CONNECT_FAILURE)
    assert worker.session.reply_to(SUBMISSION) == Failure(CONNECT_FAILURE, "Slurm's words")
    assert (worker.tries, worker.pyslurm.starts) == (1, 0)
    (conf_path.parent / "nodes.conf").write_text("NodeName=n1\n")
    assert worker.session.reply_to(SUBMISSION) == Submitted("17")
    assert (worker.tries, worker.pyslurm.starts) == (3, 1)


@pytest.mark.parametrize(
    ("request_", "tries"),
    [pytest.param(SUBMISSION, 1, id="submission"), pytest.param(AskController(), 2, id="question")],
)
def test_what_may_have_been_executed_is_repeated_only_where_it_asks(
    conf_path: Path, request_: Request, tries: int
) -> None:
    worker = Worker(conf_path, NO_ANSWER)
    conf_path.write_text("SlurmctldPort=16817\n")
    worker.session.reply_to(request_)
    assert (worker.tries, worker.pyslurm.starts) == (tries, 1)


def test_a_refusal_renews_nothing(conf_path: Path) -> None:
    worker = Worker(conf_path, NO_PARTITION)
    conf_path.write_text("SlurmctldPort=16817\n")
    assert worker.session.reply_to(SUBMISSION) == Failure(NO_PARTITION, "Slurm's words")
    assert (worker.tries, worker.pyslurm.starts, worker.signature.expired) == (1, 0, 0)


def test_a_request_is_not_sent_where_the_controller_is_not_found_before(conf_path: Path) -> None:
    worker = Worker(conf_path)
    worker.signature.failure = CONNECT_FAILURE
    assert worker.session.reply_to(SUBMISSION) == NotSent(CONNECT_FAILURE, "Slurm's words")
    assert worker.tries == 0


def test_a_bug_tells_no_value(conf_path: Path) -> None:
    worker = Worker(conf_path)
    worker.session = Session(worker.pyslurm, str(conf_path), {}, None)
    reply = worker.session.reply_to(SUBMISSION)
    assert isinstance(reply, Bug)
    assert "KeyError" in reply.traceback
    assert SUBMISSION.comment not in reply.traceback
