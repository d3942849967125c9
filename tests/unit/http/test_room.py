"""Which connections give way to newcomers, and where unread answers take too much memory."""

from types import SimpleNamespace
from typing import Any

import pytest

from bridge.http.server.room import giving_way, holding_too_much, sending_too_much
from bridge.http.server.waitress_channel import ProblemChannel

NOW = 1000.0
PLACES = 10


def connection(name: str, address: str = "192.0.2.1", **changes: Any) -> Any:
    """One that waits for a request; with `unsent` one whose answer is being read at `rate`."""
    unsent, rate = changes.pop("unsent", 0), changes.pop("rate", 0.0)
    fields = {"is_waiting": not unsent, "was_answered": True, "waiting_since": NOW - 1, "last_activity": NOW, **changes}
    fields.setdefault("creation_time", fields["waiting_since"])
    return SimpleNamespace(
        name=name,
        addr=(address, 1),
        total_outbufs_len=unsent,
        reading_rate=lambda now: rate if now == NOW else 0,
        **fields,
    )


def busy(name: str) -> Any:
    return connection(name, is_waiting=False)


def names(channels: Any) -> list[str]:
    return [channel.name for channel in channels]


DEAF = [connection(f"deaf {number}", unsent=1, last_activity=NOW - 60 + number) for number in range(3)]


@pytest.mark.parametrize(
    ("channels", "surplus", "expected"),
    [
        pytest.param([busy("a")], 1, [], id="busy-ones-never"),
        pytest.param([connection("a", waiting_since=NOW - 0.1)], 1, [], id="nor-those-answered-a-moment-ago"),
        pytest.param([connection("a"), *DEAF], 2, ["deaf 0", "deaf 1"], id="answers-that-are-not-read-first"),
        pytest.param([connection("a"), *DEAF], 4, ["deaf 0", "deaf 1", "deaf 2", "a"], id="then-those-that-wait"),
        pytest.param(
            [connection("reads", unsent=9, rate=1e6), connection("waits")], 1, ["waits"], id="a-reader-keeps-its-place"
        ),
        pytest.param(
            [connection("fast", unsent=9, rate=1e6), connection("slow", unsent=9, rate=1e3)], 1, ["slow"], id="slowest"
        ),
        pytest.param(
            [connection("new", waiting_since=NOW), connection("old", waiting_since=NOW - 9)], 1, ["old"], id="longest"
        ),
        pytest.param(
            [
                connection("other", "192.0.2.2", waiting_since=NOW - 99),
                *(connection(f"one of many {number}", waiting_since=NOW - number) for number in range(6)),
            ],
            1,
            ["one of many 5"],
            id="of-the-address-with-most",
        ),
        pytest.param(
            [
                connection("known", waiting_since=NOW - 99),
                *(
                    connection(f"stranger {number}", was_answered=False, waiting_since=NOW - number)
                    for number in range(6)
                ),
            ],
            1,
            ["stranger 5"],
            id="of-many-strangers",
        ),
        pytest.param(
            [
                connection("known", waiting_since=NOW - 99),
                connection("newcomer", was_answered=False, waiting_since=NOW),
                *(
                    connection(f"asks {number}", was_answered=False, unsent=9, rate=1e6, waiting_since=NOW - number / 9)
                    for number in range(5)
                ),
            ],
            2,
            ["asks 4", "asks 3"],
            id="of-many-that-do-not-read-yet",
        ),
    ],
)
def test_who_gives_way(channels: list[ProblemChannel], surplus: int, expected: list[str]) -> None:
    assert names(giving_way(channels, surplus, PLACES, NOW)) == expected


def test_answers_together_hold_no_more_than_they_may() -> None:
    channels = [connection(str(number), unsent=10, rate=number) for number in range(10)]
    assert names(holding_too_much(channels, 100, NOW)) == []
    assert names(holding_too_much(channels, 75, NOW)) == ["0", "1", "2"]
    assert names(holding_too_much([connection("waits"), *channels], 0, NOW)) == [str(number) for number in range(10)]


def test_who_sends_most_gives_way_where_bodies_take_too_much() -> None:
    channels = [
        connection("single", "192.0.2.2", received_bytes=40, request_began_at=NOW - 9),
        connection("new", received_bytes=30, request_began_at=NOW - 1),
        connection("old", received_bytes=30, request_began_at=NOW - 2),
        connection("none", received_bytes=0, request_began_at=NOW - 99),
    ]
    assert names(sending_too_much(channels, 100)) == []
    assert names(sending_too_much(channels, 99)) == ["old"]
    assert names(sending_too_much(channels, 60)) == ["old", "new"]
    assert names(sending_too_much(channels, 0)) == ["old", "new", "single"]
