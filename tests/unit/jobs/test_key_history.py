"""Keys of jobs that ended before the bridge was started, as accounting tells them."""

import logging
import time

import pytest

from bridge.core.deadline import Deadline
from bridge.jobs.submission import key_history
from bridge.jobs.submission.key_history import KeyHistory
from bridge.slurm.messages import JobSnapshot
from tests.support.memory_gateway import MemoryGateway
from tests.support.samples import OUTPUT_FOLDER, bridge_metadata, descriptor
from tests.support.waiting import wait_until

HOUR_SECONDS = 3600


@pytest.fixture
def gateway() -> MemoryGateway:
    """With a job that ended half an hour ago, and one that ended 30 hours ago."""
    gateway = MemoryGateway(has_accounting=True)
    for key, ended_seconds_ago in (("recent", HOUR_SECONDS // 2), ("old", 30 * HOUR_SECONDS)):
        job = descriptor(OUTPUT_FOLDER, comment=bridge_metadata(key=key).to_json())
        job_id = gateway.submit(job, Deadline.after(1))
        gateway.put(job_id, {"state": "COMPLETED", "end_time": int(time.time()) - ended_seconds_ago})
    return gateway


def known(history: KeyHistory) -> list[str]:
    return [key for key in ("recent", "old", "never-seen") if history.with_key(key)]


@pytest.mark.parametrize(
    ("kept_hours", "keys"), [(0, []), (1, ["recent"]), (24, ["recent"]), (31, ["recent", "old"])], ids=str
)
def test_the_hours_of_the_setting_are_read(gateway: MemoryGateway, kept_hours: int, keys: list[str]) -> None:
    history = KeyHistory(gateway, kept_hours)
    history.read()
    assert known(history) == keys


def test_the_newest_keys_are_kept(gateway: MemoryGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_history, "KEYS_MAX", 1)
    history = KeyHistory(gateway, kept_hours=31)
    history.read()
    assert known(history) == ["recent"]


def test_a_request_waits_for_what_is_being_read(gateway: MemoryGateway) -> None:
    history = KeyHistory(gateway, kept_hours=24)
    history.start()
    try:
        history.wait(Deadline.after(10))
        assert known(history) == ["recent"]
    finally:
        history.close()


def test_accounting_that_is_away_is_asked_again(
    gateway: MemoryGateway, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(key_history, "RETRY_SECONDS", 0.02)
    gateway.accounting_is_dead = True
    history = KeyHistory(gateway, kept_hours=24)
    with caplog.at_level(logging.WARNING):
        history.start()
        try:
            history.wait(Deadline.after(10))
            assert not known(history)
            gateway.accounting_is_dead = False
            wait_until(lambda: known(history) == ["recent"], "it was asked again")
        finally:
            history.close()
    assert "the keys of jobs that ended earlier are not known yet" in caplog.messages


def test_accounting_is_asked_again_after_an_unexpected_error(
    gateway: MemoryGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_history, "RETRY_SECONDS", 0.02)
    past, errors = gateway.past, [KeyError("unexpected")]

    def past_after_an_error(since: int, until: int, deadline: Deadline) -> tuple[JobSnapshot, ...]:
        if errors:
            raise errors.pop()
        return past(since, until, deadline)

    monkeypatch.setattr(gateway, "past", past_after_an_error)
    history = KeyHistory(gateway, kept_hours=24)
    history.start()
    try:
        wait_until(lambda: known(history) == ["recent"], "the keys are read after all")
    finally:
        history.close()
