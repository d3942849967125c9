"""When a look at the queue may be believed."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from bridge.core.errors import (
    BridgeError,
    ControllerUnreachableError,
    OutcomeUnknownError,
    OverloadedError,
    SlurmRefusedError,
)
from bridge.jobs.status import controller_trust
from bridge.jobs.status.controller_trust import ControllerTrust
from tests.support.clock import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(controller_trust, "time", clock)
    return clock


@contextmanager
def request(trust: ControllerTrust, clock: Clock, seconds: float, error: BridgeError | None = None) -> Iterator[None]:
    """A request that takes so long, and what happens meanwhile; then it fails with `error`."""
    with suppress(BridgeError), trust.watching():
        yield
        clock.now_seconds += seconds
        if error is not None:
            raise error


def answer(trust: ControllerTrust, clock: Clock, seconds: float = 0.01, error: BridgeError | None = None) -> None:
    with request(trust, clock, seconds, error):
        pass


@pytest.fixture
def trust(clock: Clock) -> ControllerTrust:
    """Of a controller that has answered for a minute."""
    trust = ControllerTrust()
    answer(trust, clock)
    clock.now_seconds += 60
    return trust


def test_a_look_counts_once_the_controller_has_answered_for_a_while(clock: Clock) -> None:
    trust = ControllerTrust()
    assert not trust.has_settled_before(clock())
    answer(trust, clock)
    assert not trust.has_settled_before(clock())
    assert trust.settles_in_seconds() == pytest.approx(1.0)
    clock.now_seconds += 1
    assert trust.has_settled_before(clock())


@pytest.mark.parametrize(
    ("seconds", "error", "is_silence"),
    [
        pytest.param(0.01, None, False, id="quick"),
        pytest.param(0.3, None, True, id="slow"),
        pytest.param(0.01, SlurmRefusedError("no"), False, id="refused"),
        pytest.param(0.3, SlurmRefusedError("no"), True, id="refused-slowly"),
        pytest.param(0.01, OutcomeUnknownError("?"), True, id="outcome-unknown"),
        pytest.param(0.01, ControllerUnreachableError("gone", slurm_code=1800), True, id="connection-refused"),
        pytest.param(0.3, ControllerUnreachableError("no answer"), True, id="no-answer"),
        pytest.param(0.1, ControllerUnreachableError("no answer"), False, id="too-little-time-to-answer"),
        pytest.param(0.3, OverloadedError("no worker"), False, id="not-sent"),
    ],
)
def test_what_counts_as_silence(
    clock: Clock, trust: ControllerTrust, seconds: float, error: BridgeError | None, is_silence: bool
) -> None:
    begun_at = clock()
    answer(trust, clock, seconds, error)
    assert trust.has_settled_before(begun_at) is not is_silence
    assert trust.was_disturbed_within(10) is is_silence
    clock.now_seconds += 0.01
    answer(trust, clock)
    assert trust.has_settled_before(clock()) is not is_silence
    clock.now_seconds += 1
    assert trust.has_settled_before(clock())


def test_nothing_counts_while_a_request_waits_too_long(clock: Clock, trust: ControllerTrust) -> None:
    with request(trust, clock, 0.01):
        assert trust.has_settled_before(clock())
        clock.now_seconds += 0.3
        assert not trust.has_settled_before(clock())
        assert trust.settles_in_seconds() > 0
        answer(trust, clock)  # a quick answer to another one: the controller works, and this request is a long one
        assert trust.has_settled_before(clock())
    assert trust.has_settled_before(clock())


def test_a_look_at_a_long_queue_may_take_its_time(clock: Clock, trust: ControllerTrust) -> None:
    begun_at = clock()
    with trust.watching(slow_seconds=2.0):
        clock.now_seconds += 1.5
    assert trust.has_settled_before(begun_at)


def test_a_short_disturbance_does_not_stop_the_controller_from_saving(clock: Clock, trust: ControllerTrust) -> None:
    since = trust.answering_since_seconds
    answer(trust, clock, 1.0)
    assert trust.answering_since_seconds == since
    answer(trust, clock, 3.0)
    assert trust.answering_since_seconds == clock()
