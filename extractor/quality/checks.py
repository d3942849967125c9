"""Runs SaQC's tests over series of numbers and words the verdicts as labels. No I/O."""

import json
import warnings
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from extractor.logs import logger
from extractor.quality.functions import Call, attempt, one_line
from extractor.quality.saqc_library import saqc

OK = 0.0
"""The flag of a value that was looked at and that no test found fault with."""

UNJUDGED = -1
"""Instead of a label's number: no test looked at the value."""


@dataclass
class Labels:
    """The labels of a run, each once: values carry their numbers."""

    config_name: str
    texts: list[str] = field(default_factory=list)
    calls: list[Call | None] = field(default_factory=list)
    """Which call gave the label; None for those of good values."""
    _numbers: dict[tuple[Call | None, float, tuple[str, ...]], int] = field(default_factory=dict)

    def good(self, not_run: tuple[str, ...]) -> int:
        """The number of the label of a value without fault; `not_run` are functions that could not look at it."""
        content: dict[str, Any] = {"annotation": str(OK), "annotationType": "SaQC"}
        if not_run:
            content["properties"] = {"notRun": not_run}
        return self._number((None, OK, not_run), content)

    def flagged(self, call: Call, flag: float) -> int:
        """The number of the label that a call gives with its flag, as TSM's consumers read it.

        Dashboards compare texts: `"0.0"` is a good value, every other text but `"-inf"` is drawn as a fault. They read
        either `annotation`, or the value of the primary quality measurement.
        """
        properties: dict[str, Any] = {
            "version": saqc.__version__,
            "config": self.config_name,
            "measure": call.test.function,
            "configuration": dict(call.test.kwargs),
        }
        if call.test.user_label:
            properties["userLabel"] = call.test.user_label
        measurement = {"value": flag, "metric": call.test.function, "parameters": dict(call.test.kwargs)}
        content = {
            "annotation": str(flag),
            "annotationType": "SaQC",
            "properties": properties,
            "resultQuality": {"primaryQualityMeasurement": measurement},
        }
        return self._number((call, flag, ()), content)

    def _number(self, key: tuple[Call | None, float, tuple[str, ...]], content: dict[str, Any]) -> int:
        if key not in self._numbers:
            self._numbers[key] = len(self.texts)
            self.texts.append(json.dumps(content))
            self.calls.append(key[0])
        return self._numbers[key]


@dataclass(frozen=True)
class Verdicts:
    """What the tests say: for each series with a test, the number of each value's label, or `UNJUDGED`."""

    numbers: Mapping[str, np.ndarray]
    failures: Mapping[Call, str]
    """Why a call could not run."""


def judge(data: Mapping[str, pd.Series], calls: Sequence[Call], left_out: Set[Call], labels: Labels) -> Verdicts:
    """Run the calls, in their order; one that cannot run on these numbers leaves the others alone.

    Args:
        data: name -> numbers over an ascending time index without zone, for all series of the calls.
        calls: in the order of the settings.
        left_out: those of them that do not run.
        labels: takes the labels that are new.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        verdicts = _judge(data, calls, left_out, labels)
    for text in sorted({str(warning.message) for warning in caught}):
        logger.debug("SaQC: %s", " ".join(text.split()))
    return verdicts


def _judge(data: Mapping[str, pd.Series], calls: Sequence[Call], left_out: Set[Call], labels: Labels) -> Verdicts:
    checked = saqc.SaQC(dict(data))
    targets = sorted({target for call in calls for target in call.targets})
    flags = {target: checked.flags[target].to_numpy() for target in targets}
    numbers = {target: np.full(len(data[target]), UNJUDGED, dtype=np.int32) for target in targets}
    failures: dict[Call, str] = {}
    for call in calls:
        if call in left_out:
            continue
        logger.debug("%s", call)
        checked, error = attempt(checked, call)
        if error is not None:
            failures[call] = one_line(error)
            continue
        after = checked.flags
        for target in call.targets:
            _note(labels, call, numbers[target], flags[target], after[target].to_numpy())
            flags[target] = after[target].to_numpy()
    for target in targets:
        _note_good(labels, calls, failures.keys() | left_out, target, numbers[target])
    return Verdicts(numbers, failures)


def _note(labels: Labels, call: Call, numbers: np.ndarray, before: np.ndarray, after: np.ndarray) -> None:
    """Number the labels of values whose flag the call has changed.

    A value that an earlier test flagged is hidden from the later ones, so the first verdict stays.
    """
    changed = after != before
    for flag in np.unique(after[changed]):
        numbers[changed & (after == flag)] = labels.flagged(call, float(flag))


def _note_good(labels: Labels, calls: Sequence[Call], not_run: Set[Call], target: str, numbers: np.ndarray) -> None:
    own = [call for call in calls if target in call.targets]
    if any(call not in not_run for call in own):
        functions = tuple(sorted({call.test.function for call in own if call in not_run}))
        numbers[numbers == UNJUDGED] = labels.good(functions)
