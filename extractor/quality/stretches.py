"""Checks series by stretches of time, so that a series of any length takes the same memory.

A stretch is read with as many neighbours on both sides as its tests look at (`reach`), so that each value gets
the verdict that it would get with the whole series in one piece. Tests that judge a value by all others have the series
in one piece, up to a limit.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import pandas as pd
from sqlalchemy import Connection, Engine

from extractor.logs import Progress, logger
from extractor.quality import datastore
from extractor.quality.checks import UNJUDGED, Labels, judge
from extractor.quality.datastore import Datastream, Numbers
from extractor.quality.functions import Call
from extractor.quality.reach import Reach
from extractor.quality.settings import Config, Period

# How many values are in memory at once; SaQC needs some 100 to 300 bytes for each.
STRETCH_VALUES = 500_000
WHOLE_MAX_VALUES = 600_000

_CALENDAR_START, _CALENDAR_END = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)

Ends = tuple[datetime, datetime]


@dataclass
class Tally:
    """What came of the tests."""

    labelled: int = 0
    flagged: Counter[Call] = field(default_factory=Counter)
    failures: dict[Call, str] = field(default_factory=dict)
    """Why a call could not run; where it failed on several stretches, for the first."""


def groups(calls: Sequence[Call]) -> list[tuple[Call, ...]]:
    """The calls by the series that they share, so that each group can be checked without the others."""
    found: list[tuple[frozenset[str], tuple[Call, ...]]] = []
    for call in calls:
        touching = [group for group in found if group[0] & call.series]
        names = frozenset(call.series).union(*(group[0] for group in touching))
        members = {member for group in touching for member in group[1]} | {call}
        found = [group for group in found if group not in touching]
        found.append((names, tuple(one for one in calls if one in members)))
    return [group[1] for group in found]


class Checker:
    """Runs groups of calls on the datastore and writes their labels."""

    def __init__(self, engine: Engine, streams: Mapping[str, Datastream], config: Config) -> None:
        self._engine = engine
        self._streams = streams
        window = config.context_window
        self._context = Reach(rows=window) if isinstance(window, int) else Reach(span=window)
        self._labels = Labels(config.name)
        self._progress = Progress("%s observations labelled so far")
        self.tally = Tally()

    def check(self, calls: tuple[Call, ...], period: Period) -> None:
        """Label what the period asks for in the targets of a group of calls."""
        with self._engine.connect() as connection:
            due = self._due(connection, calls, period)
            if not due:
                return
            span = min(first for first, _ in due.values()), max(last for _, last in due.values())
            floors = {name: self._floor(connection, name, span[0]) for name in _names(calls)}
            left_out, in_one_piece = self._left_out(connection, calls, floors, span[1])
        group = _Group(calls, left_out, due, span, floors)
        for start, end in [span] if in_one_piece else self._stretches(group):
            self._check_stretch(group, start, end, in_one_piece=in_one_piece)

    def _due(self, connection: Connection, calls: Sequence[Call], period: Period) -> dict[str, Ends]:
        targets = sorted({target for call in calls for target in call.targets})
        ends = {target: _ends(connection, self._streams[target], period) for target in targets}
        return {target: found for target, found in ends.items() if found is not None}

    def _floor(self, connection: Connection, name: str, first: datetime) -> datetime:
        """Where the context begins."""
        floor = _moved(first, -self._context.span)
        if self._context.rows:
            floor = datastore.nth_before(connection, self._streams[name], first, self._context.rows) or first
        return floor

    def _left_out(
        self, connection: Connection, calls: tuple[Call, ...], floors: Mapping[str, datetime], last: datetime
    ) -> tuple[frozenset[Call], bool]:
        """The calls that cannot run on so many values, and whether the others run in one piece: one needs that."""
        whole = frozenset(call for call in calls if call.reach.whole)
        if not whole:
            return whole, False
        sizes = (datastore.count(connection, self._streams[name], floor, last) for name, floor in floors.items())
        size = sum(sizes)
        if size <= WHOLE_MAX_VALUES:
            return frozenset(), True
        reason = (
            f"it judges a value by all others, and {size:,} are more than the {WHOLE_MAX_VALUES:,} that fit in memory: "
            "give a shorter period, or the test a window"
        )
        for call in calls:
            if call in whole:
                self._fail(call, reason)
        return whole, False

    def _stretches(self, group: "_Group") -> Iterator[Ends]:
        """Follow one another, each with so many values that a few of them fit in memory."""
        streams = [self._streams[name] for name in _names(group.calls)]
        start = group.span[0] if group.left_out != frozenset(group.calls) else None
        while start is not None:
            with self._engine.connect() as connection:
                size = max(1, STRETCH_VALUES // len(streams))
                ends = [datastore.nth_after(connection, stream, start, size) for stream in streams]
                end = min([group.span[1], *(one for one in ends if one is not None)])
                nexts = [datastore.nth_after(connection, stream, end, 1) for stream in streams]
            yield start, end
            start = min((one for one in nexts if one is not None and one <= group.span[1]), default=None)

    def _check_stretch(self, group: "_Group", start: datetime, end: datetime, *, in_one_piece: bool) -> None:
        numbers = self._read(group, start, end, in_one_piece=in_one_piece)
        verdicts = judge(
            {name: _series(found) for name, found in numbers.items()}, group.calls, group.left_out, self._labels
        )
        for call, reason in verdicts.failures.items():
            self._fail(call, reason)
        for target, labels in verdicts.numbers.items():
            if target not in group.due:
                continue
            first, last = group.due[target]
            times = numbers[target].times
            chosen = (times >= _naive(max(start, first))) & (times <= _naive(min(end, last))) & (labels != UNJUDGED)
            if chosen.any():
                self._write(self._streams[target], numbers[target].where(chosen), labels[chosen])

    def _read(self, group: "_Group", start: datetime, end: datetime, *, in_one_piece: bool) -> dict[str, Numbers]:
        reach = sum((call.reach for call in group.calls), Reach())
        found: dict[str, Numbers] = {}
        with self._engine.connect() as connection:
            for name, floor in group.floors.items():
                first, last = floor, group.span[1]
                if not in_one_piece:
                    stream = self._streams[name]
                    first = max(first, _before(connection, stream, start, reach))
                    last = min(last, _after(connection, stream, end, reach))
                found[name] = datastore.read(connection, self._streams[name], first, last)
        return found

    def _write(self, stream: Datastream, numbers: Numbers, labels: np.ndarray) -> None:
        self.tally.labelled += datastore.write(self._engine, stream, numbers, labels, self._labels.texts)
        for number, count in enumerate(np.bincount(labels)):
            call = self._labels.calls[number]
            if call is not None and count:
                self.tally.flagged[call] += int(count)
        self._progress.reached(self.tally.labelled)

    def _fail(self, call: Call, reason: str) -> None:
        if call not in self.tally.failures:
            self.tally.failures[call] = reason
            logger.warning("%s could not run: %s", call, reason)


@dataclass(frozen=True)
class _Group:
    """Calls that are checked together, and those of them that do not run.

    `due` has the ends of what is due in each target, `span` those of all; `floors` is where each series begins.
    """

    calls: tuple[Call, ...]
    left_out: frozenset[Call]
    due: Mapping[str, Ends]
    span: Ends
    floors: Mapping[str, datetime]


def _ends(connection: Connection, stream: Datastream, period: Period) -> Ends | None:
    if period == Period():
        return datastore.unlabelled(connection, stream)
    return datastore.between(connection, stream, period.start, period.end)


def _names(calls: Sequence[Call]) -> list[str]:
    return sorted({name for call in calls for name in call.series})


def _before(connection: Connection, stream: Datastream, start: datetime, reach: Reach) -> datetime:
    first = _moved(start, -reach.span)
    if reach.rows:
        first = datastore.nth_before(connection, stream, first, reach.rows) or first
    return first


def _after(connection: Connection, stream: Datastream, end: datetime, reach: Reach) -> datetime:
    last = _moved(end, reach.span)
    if reach.rows:
        last = datastore.nth_after(connection, stream, last, reach.rows) or _CALENDAR_END
    return last


def _moved(time: datetime, span: pd.Timedelta) -> datetime:
    """`time` moved by `span`; where that leads out of the calendar, the end of the calendar."""
    try:
        moved: datetime = time + span.to_pytimedelta()
    except OverflowError:
        return _CALENDAR_END if span > pd.Timedelta(0) else _CALENDAR_START
    return moved


def _naive(time: datetime) -> np.datetime64:
    return np.datetime64(time.replace(tzinfo=None), "us")


def _series(numbers: Numbers) -> pd.Series:
    return pd.Series(numbers.values, index=pd.DatetimeIndex(numbers.times))
