"""Which connections give way: to newcomers, and where unread answers or bodies take too much memory. Pure.

So that no client takes the places of the others, and each only closes its own:
1. Those whose client does not take the answer at all: longest first.
2. Where one address of several has more than half of the places, its connections on which no request has come for
   longest.
3. Where connections that never took a whole answer have more than half, the oldest of them: a client that only opens
   connections, sends its requests a byte a second (slowloris), or does not read what it has asked for.
4. All on which no request has come for longest.
5. Those whose client takes the answer slowest.
One whose request is being handled never gives way, nor one that was answered a moment ago: newcomers wait for it.
"""

import heapq
from collections import Counter
from collections.abc import Sequence

from bridge.http.server.waitress_channel import ProblemChannel

STALLED_SECONDS = 0.25  # without a byte taken: longer than a round trip to another continent


def giving_way(channels: Sequence[ProblemChannel], surplus: int, places: int, now: float) -> Sequence[ProblemChannel]:
    """`surplus` of `channels`, or fewer where the others are busy."""
    counts = Counter(channel.addr[0] for channel in channels)
    crowded = {address for address, count in counts.items() if count > places // 2}
    candidates = [channel for channel in channels if channel.is_waiting or channel.total_outbufs_len]
    are_strangers_many = sum(not channel.was_answered for channel in candidates) > places // 2

    def rank(channel: ProblemChannel) -> tuple[int, float]:
        is_read = bool(channel.total_outbufs_len)
        if is_read and now - channel.last_activity > STALLED_SECONDS:
            return 1, channel.last_activity
        if not is_read and channel.addr[0] in crowded and len(counts) > 1:
            return 2, channel.waiting_since
        if are_strangers_many and not channel.was_answered:
            return 3, channel.creation_time
        return (5, channel.reading_rate(now)) if is_read else (4, channel.waiting_since)

    def is_busy(channel: ProblemChannel) -> bool:
        return channel.is_waiting and channel.was_answered and now - channel.waiting_since < STALLED_SECONDS

    return [channel for channel in heapq.nsmallest(surplus, candidates, key=rank) if not is_busy(channel)]


def holding_too_much(channels: Sequence[ProblemChannel], max_bytes: int, now: float) -> Sequence[ProblemChannel]:
    """Those that read slowest, as many as have to be closed for the others to hold `max_bytes` at most."""
    surplus_bytes = sum(channel.total_outbufs_len for channel in channels) - max_bytes
    if surplus_bytes <= 0:
        return ()
    closing = []
    for channel in sorted(channels, key=lambda channel: channel.reading_rate(now)):
        if surplus_bytes > 0 and channel.total_outbufs_len:
            closing.append(channel)
            surplus_bytes -= channel.total_outbufs_len
    return closing


def sending_too_much(channels: Sequence[ProblemChannel], max_bytes: int) -> Sequence[ProblemChannel]:
    """Those to be closed for the bodies of the others to have `max_bytes` at most, as long as they are not complete.

    Those of the address that has sent most come first, and of these the oldest.
    """
    sending = [channel for channel in channels if channel.received_bytes]
    by_address: Counter[str] = Counter()
    for channel in sending:
        by_address[channel.addr[0]] += channel.received_bytes
    surplus_bytes = by_address.total() - max_bytes
    closing = []
    for channel in sorted(sending, key=lambda channel: (-by_address[channel.addr[0]], channel.request_began_at)):
        if surplus_bytes <= 0:
            break
        closing.append(channel)
        surplus_bytes -= channel.received_bytes
    return closing
