"""Local times of a zone become UTC, in the hours too that its clock skips or repeats."""

import re
from dataclasses import dataclass, field
from datetime import UTC, timedelta, timezone, tzinfo
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd
from pydantic import AfterValidator

from extractor.parsing.report import Note, Report

_OFFSET = re.compile(r"(?:UTC|GMT)?([+-])(\d{1,2})(?::?([0-5]\d))?")

# Hours from UTC: RFC 822 has the American ones; of the others, those that have one meaning where loggers stand.
_HOURS = {
    "UTC": 0, "UT": 0, "GMT": 0, "Z": 0, "WET": 0, "WEST": 1, "CET": 1, "MEZ": 1, "CEST": 2, "MESZ": 2, "EET": 2,
    "EEST": 3, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7, "AKST": -9,
    "AKDT": -8,
}  # fmt: skip
ABBREVIATIONS = {name: np.timedelta64(hours, "h") for name, hours in _HOURS.items()}


def zone_of(name: str) -> tzinfo:
    """The zone of that name (`Europe/Berlin`), or with that distance from UTC (`+01:00`, `UTC+1`).

    Raises:
        ValueError: there is none.
    """
    if name == "UTC":
        return UTC
    if match := _OFFSET.fullmatch(name):
        offset = timedelta(hours=int(match[2]), minutes=int(match[3] or 0))
        return timezone(-offset if match[1] == "-" else offset)
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"no time zone is called {name!r}; Europe/Berlin is one, and +01:00") from None


def _check_zone(name: str) -> str:
    zone_of(name)
    return name


ZoneName = Annotated[str, AfterValidator(_check_zone)]
"""A setting: what `zone_of` knows."""


@dataclass
class Localizer:
    """Knows what came before, since the two rounds of a repeated hour are told apart by the order of rows."""

    zone: tzinfo
    report: Report
    _before: dict[int, tuple[int, bool]] = field(default_factory=dict)
    """Day of a repeated hour -> the last local time in it (µs), and whether the second round has begun."""
    _seen: dict[int, int] = field(default_factory=dict)
    _last: np.ndarray = field(default_factory=lambda: np.empty(0, "int64"))
    """The last local time so far (µs), if there is one."""
    _balance: int = 0
    """Steps forward in time less steps back, over all rows so far: below 0, the newest row comes first."""

    def to_utc(self, local: np.ndarray) -> np.ndarray:
        """UTC of local times; NaT where the clock skips them."""
        self._count_steps(local)
        index = pd.DatetimeIndex(local)
        unsure = index.tz_localize(self.zone, ambiguous="NaT", nonexistent="NaT")
        open_ = unsure.isna() & ~index.isna()
        if not open_.any():
            return _utc(unsure)
        first = index[open_].tz_localize(self.zone, ambiguous=np.ones(open_.sum(), bool), nonexistent="NaT")
        second = index[open_].tz_localize(self.zone, ambiguous=np.zeros(open_.sum(), bool), nonexistent="NaT")
        times = _utc(unsure)
        times[open_] = self._decided(local[open_], _utc(first), _utc(second), descending=self._balance < 0)
        return times

    def _count_steps(self, local: np.ndarray) -> None:
        times = np.concatenate([self._last, local[~np.isnat(local)].astype("datetime64[us]").astype("int64")])
        self._balance += int(np.sign(np.diff(times)).sum())
        self._last = times[-1:]

    def _decided(self, local: np.ndarray, first: np.ndarray, second: np.ndarray, *, descending: bool) -> np.ndarray:
        chosen = first.copy()
        for place in np.flatnonzero(~np.isnat(first)):
            now = int(local[place].astype("datetime64[us]").astype("int64"))
            day = now // 86_400_000_000
            before, turned = self._before.get(day, (None, False))
            turned = turned or (before is not None and (now >= before if descending else now <= before))
            self._before[day] = (now, turned)
            self._seen[day] = self._seen.get(day, 0) + 1
            if turned != descending:
                chosen[place] = second[place]
        return chosen

    def finish(self) -> None:
        """Tell the report how many rows lay in repeated hours."""
        for day, (_, turned) in self._before.items():
            self.report.note(Note.TOLD_APART if turned else Note.AMBIGUOUS, self._seen[day])


def _utc(index: pd.DatetimeIndex) -> np.ndarray:
    return np.asarray(index.tz_convert("UTC").tz_localize(None).to_numpy()).astype("datetime64[us]").copy()
