"""Submissions beyond the controller's limit of requests are refused before they are sent."""

from contextlib import suppress

import pytest

from bridge.core.deadline import Deadline
from bridge.core.errors import OverloadedError
from bridge.slurm.client.submission_rate import SubmissionRate
from bridge.slurm.messages import RpcLimit
from tests.contract.gateway import soon
from tests.support.clock import Clock

USUAL = RpcLimit(bucket_size=30, per_second=2.0)  # Slurm's own defaults


@pytest.fixture
def clock() -> Clock:
    return Clock()


def passed(rate: SubmissionRate, offered: int) -> int:
    """How many of so many submissions at once pass."""
    count = 0
    for _ in range(offered):
        with suppress(OverloadedError), rate.admitted(soon()):
            count += 1
    return count


def test_without_a_limit_all_pass(clock: Clock) -> None:
    rate = SubmissionRate(clock)
    assert passed(rate, 1000) == 1000
    rate.learn(None)
    assert passed(rate, 1000) == 1000


def test_a_third_of_the_limit_is_for_submissions(clock: Clock) -> None:
    rate = SubmissionRate(clock)
    rate.learn(USUAL)
    assert passed(rate, 1000) == 10
    clock.now_seconds += 6
    assert passed(rate, 1000) == 4
    clock.now_seconds += 3600
    rate.learn(USUAL)
    assert passed(rate, 1000) == 10


def test_a_submission_that_was_told_to_back_off_stops_others(clock: Clock) -> None:
    rate = SubmissionRate(clock)
    rate.learn(USUAL)
    for took_seconds in (0.2, 1.1):
        with rate.admitted(soon()):
            clock.now_seconds += took_seconds
    assert passed(rate, 1) == 0
    clock.now_seconds += 3
    assert passed(rate, 9) == 2


def test_the_smallest_limit_lets_something_pass(clock: Clock) -> None:
    rate = SubmissionRate(clock)
    rate.learn(RpcLimit(bucket_size=1, per_second=0.1))
    clock.now_seconds += 20
    assert passed(rate, 9) == 1


def test_a_refusal_says_that_nothing_was_submitted(clock: Clock) -> None:
    rate = SubmissionRate(clock)
    rate.learn(RpcLimit(bucket_size=2, per_second=1.0))
    assert passed(rate, 1) == 1
    with pytest.raises(OverloadedError, match=r"rl_enable.*nothing was submitted") as caught, rate.admitted(soon()):
        pass
    assert caught.value.retryable
    assert caught.value.retry_after_seconds


def test_submissions_under_a_limit_go_one_at_a_time(clock: Clock) -> None:
    rate = SubmissionRate(clock)
    rate.learn(USUAL)
    with rate.admitted(soon()), pytest.raises(OverloadedError), rate.admitted(Deadline.after(0.05)):
        pass
    assert passed(rate, 1) == 1
