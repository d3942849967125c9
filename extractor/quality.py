"""Runs SaQC's tests over series of numbers and words the verdicts as labels. No I/O."""

import inspect
import json
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from extractor.errors import ExtractorError
from extractor.logs import logger
from extractor.quality_settings import Config, Test

with warnings.catch_warnings():
    # On import SaQC warns of coming changes, its own and pandas', that nobody who runs a job can do anything about.
    warnings.simplefilter("ignore")
    import saqc
    from saqc.core.register import FUNC_MAP

OK = 0.0
"""The flag of a value that was looked at and that no test found fault with."""

# One opens a window for a person to click in, the other takes Python code for an argument.
_EXCLUDED = frozenset({"flagByClick", "flagGeneric"})

# What SaQC's decorator takes for every function, beside the function's own parameters.
_COMMON_KEYWORDS = frozenset({"dfilter", "flag", "start_date", "end_date", "label"})


def flagging_functions() -> dict[str, Callable[..., Any]]:
    """SaQC's functions that a test may name: those that flag and do nothing else."""
    return {name: function for name, function in FUNC_MAP.items() if name.startswith("flag") and name not in _EXCLUDED}


def validate(config: Config) -> None:
    """Refuse what SaQC would ignore (an unknown keyword) or must not run.

    Raises:
        ExtractorError: a test names no flagging function, or gives it a keyword that it does not know.
    """
    functions = flagging_functions()
    for number, test in enumerate(config.tests):
        if test.function not in functions:
            raise _wrong(number, "function", f"{test.function!r} is none of {', '.join(sorted(functions))}")
        known = set(inspect.signature(functions[test.function]).parameters) | _COMMON_KEYWORDS
        known -= {"self", "field", "target", "kwargs"}
        for key in test.kwargs:
            if key not in known:
                raise _wrong(number, f"kwargs.{key}", f"{test.function} knows {', '.join(sorted(known))}")


def _wrong(number: int, key: str, reason: str) -> ExtractorError:
    return ExtractorError(f"wrong QAQC settings: tests.{number}.{key}: {reason}")


def check(data: Mapping[str, pd.Series], config: Config) -> dict[str, pd.Series]:
    """Run the tests, in their order, on the series that `data` has at their positions.

    Args:
        data: position -> numbers over an ascending time index without zone.
        config: validated.

    Returns:
        position -> labels (JSON texts) over the same index.

    Raises:
        ExtractorError: a test failed; the message names it.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        labels = _check(data, config)
    for text in sorted({str(warning.message) for warning in caught}):
        logger.debug("SaQC: %s", " ".join(text.split()))
    return labels


def _check(data: Mapping[str, pd.Series], config: Config) -> dict[str, pd.Series]:
    checked = saqc.SaQC(dict(data))
    flags = {position: checked.flags[position] for position in data}
    # As objects, of which there are few: pandas' own texts would be a million copies.
    fine = _label(config, OK, None)
    labels = {position: pd.Series(fine, index=values.index, dtype=object) for position, values in data.items()}
    for number, test in enumerate(config.tests):
        if test.position not in data:
            continue
        logger.debug("test %s: %s at position %s", number, test.function, test.position)
        checked = _run(checked, number, test)
        after = checked.flags[test.position]
        # A value that an earlier test flagged is hidden from the later ones, so the first verdict stays.
        changed = after[after != flags[test.position]]
        flags[test.position] = after
        wording = {flag: _label(config, flag, test) for flag in changed.unique()}
        labels[test.position].loc[changed.index] = changed.map(wording).astype(object)
        logger.info("%s at position %s flagged %s values", test.function, test.position, f"{len(changed):,}")
    return labels


def _run(checked: "saqc.SaQC", number: int, test: Test) -> "saqc.SaQC":
    try:
        return getattr(checked, test.function)(test.position, **test.kwargs)
    # SaQC and what lies below it raise whatever fits; all of it means that this test cannot run like this.
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ExtractorError(f"QAQC test {number} ({test.function} at position {test.position}): {reason}") from error


def _label(config: Config, flag: float, test: Test | None) -> str:
    """The label as TSM's consumers read it: a number as text, and which test gave it."""
    properties: dict[str, Any] = {"version": saqc.__version__, "config": config.name}
    if test is not None:
        properties |= {"measure": test.function, "configuration": test.kwargs}
        if test.name:
            properties["userLabel"] = test.name
    return json.dumps({"annotation": f"{flag:g}", "annotationType": "SaQC", "properties": properties})
