"""How far a test looks: which neighbours of a value its verdict depends on. Pure.

A long series is checked by stretches, each with as many neighbours as its tests look at. Tests that are not in the
table judge a value by all others, so they need the series in one piece.
"""

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from pandas.tseries.frequencies import to_offset

# Beyond the windows. A stretch has hundreds of times as many.
NEIGHBOURS = 1000

# The keywords that say how wide a function's windows are. None of them: it judges each value for itself.
_WINDOWS: Mapping[str, tuple[str, ...]] = {
    "clearFlags": (),
    "flagByScatterLowpass": ("window", "sub_window"),
    "flagByVariance": ("window",),
    "flagConstants": ("window",),
    "flagDummy": (),
    "flagIsolated": ("gap_window", "group_window"),
    "flagJumps": ("window",),
    "flagNAN": (),
    "flagOffset": ("window",),
    "flagRange": (),
    "flagUnflagged": (),
    "flagZScore": ("window",),
    "forceFlags": (),
    "propagateFlags": ("window",),
    "transferFlags": (),
}

# Without a window it takes the whole series for one.
_WHOLE_WITHOUT_WINDOW = frozenset({"flagZScore"})

# In an expression of `flagGeneric` these judge each value for itself.
_VALUE_BY_VALUE = frozenset({"abs", "exp", "isflagged", "log", "nanLog"})


@dataclass(frozen=True)
class Reach:
    """Before and after a value: all neighbours within `span`, and `rows` more; or, if `whole`, all there are."""

    span: pd.Timedelta = field(default_factory=lambda: pd.Timedelta(0))
    rows: int = 0
    whole: bool = False

    def __add__(self, other: "Reach") -> "Reach":
        """Of tests one after the other: what one has flagged is hidden from the next."""
        return Reach(self.span + other.span, self.rows + other.rows, self.whole or other.whole)


WHOLE = Reach(whole=True)


def reach_of(function: str, kwargs: Mapping[str, Any]) -> Reach:
    """How far `function` looks with these keywords."""
    if function == "flagGeneric":
        return Reach() if _is_value_by_value(kwargs["func"]) else WHOLE
    if function not in _WINDOWS:
        return WHOLE
    widths = [kwargs[key] for key in _WINDOWS[function] if kwargs.get(key) is not None]
    if not widths and function in _WHOLE_WITHOUT_WINDOW:
        return WHOLE
    if function == "flagJumps" and not kwargs.get("min_periods"):
        return WHOLE  # before a gap it then compares with the mean of all that follows
    return sum((_reach_of_window(width) for width in widths), Reach())


def _reach_of_window(width: object) -> Reach:
    """Four times the window, and some numbers more.

    Of two faults close together the greater one is kept (flagJumps), which takes three windows. What stands before a
    gap decides on what comes after it (flagIsolated), however long the gap is; flagged numbers count as gaps.
    """
    if isinstance(width, int):
        return Reach(rows=4 * width + NEIGHBOURS)
    try:
        return Reach(4 * pd.Timedelta(to_offset(str(width))), NEIGHBOURS)
    except ValueError:  # a month has no one length; what is no span at all is refused when the test is tried out
        return WHOLE


def _is_value_by_value(expression: str) -> bool:
    calls = [node for node in ast.walk(ast.parse(expression, mode="eval")) if isinstance(node, ast.Call)]
    return all(isinstance(call.func, ast.Name) and call.func.id in _VALUE_BY_VALUE for call in calls)
