"""Which of SaQC's functions a test may call, and a test as the call that SaQC takes."""

import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from extractor.errors import ExtractorError
from extractor.quality.expressions import compiled, expression_of
from extractor.quality.reach import Reach, reach_of
from extractor.quality.saqc_library import FUNC_MAP, saqc
from extractor.quality.settings import Config, SeriesKey, Test
from extractor.quality.spelling import modern_span

# Besides flag*: those that only move flags about. What else SaQC marks as flagging reads and writes files, or draws.
_MOVE_FLAGS = frozenset(
    {"andGroup", "clearFlags", "concatFlags", "forceFlags", "orGroup", "propagateFlags", "setFlags", "transferFlags"}
)
_OPENS_A_WINDOW = "flagByClick"

# They judge several series together; every other function takes each of its fields for itself.
_MULTIVARIATE = frozenset(
    {
        "andGroup",
        "flagDriftFromNorm",
        "flagDriftFromReference",
        "flagGeneric",
        "flagLOF",
        "flagZScore",
        "orGroup",
        "transferFlags",
    }
)

# What SaQC's decorator takes for every function, beside the function's own parameters.
_COMMON_KEYWORDS = frozenset({"dfilter", "flag", "start_date", "end_date", "label"})

# Other SaQC objects, which no settings can hold.
_NOT_IN_SETTINGS = frozenset({"self", "field", "target", "kwargs", "group"})

_SUCCESSORS = {
    "flagMAD": 'flagZScore with "method": "modified"',
    "flagMissing": "flagNAN",
    "flagCrossStatistics": 'flagZScore with several fields and "axis": 1',
    "flagMVScores": "flagLOF",
}


@dataclass(frozen=True, eq=False)
class Call:
    """A test as SaQC takes it: values of keywords checked, old spellings replaced."""

    test: Test
    fields: tuple[str, ...]
    targets: tuple[str, ...]
    series_keywords: tuple[str, ...]
    """Which of `kwargs` name series."""
    kwargs: Mapping[str, Any]
    reach: Reach

    @property
    def series(self) -> frozenset[str]:
        """The names of all series that it reads or flags."""
        named = (name for key in self.series_keywords for name in _listed(self.kwargs[key]))
        return frozenset((*self.fields, *self.targets, *named))

    def renamed(self, names: Mapping[str, str]) -> "Call":
        """The same with other names for its series."""

        def new(value: Any) -> Any:
            return [names[name] for name in value] if isinstance(value, list) else names[value]

        return replace(
            self,
            fields=tuple(new(list(self.fields))),
            targets=tuple(new(list(self.targets))),
            kwargs={**self.kwargs, **{key: new(self.kwargs[key]) for key in self.series_keywords}},
        )

    def __str__(self) -> str:
        return str(replace(self.test, fields=self.fields))


@dataclass(frozen=True)
class Plan:
    """What a configuration comes to: calls in the order in which they run, and where their series lie."""

    config: Config
    calls: tuple[Call, ...]
    series: Mapping[str, SeriesKey]


def flagging_functions() -> dict[str, Callable[..., Any]]:
    """SaQC's functions that a test may name: those that flag, and change no value."""
    return {
        name: function
        for name, function in FUNC_MAP.items()
        if (name.startswith("flag") and name != _OPENS_A_WINDOW) or name in _MOVE_FLAGS
    }


def plan(config: Config) -> Plan:
    """The calls for a configuration's tests.

    Raises:
        ExtractorError: a test names no flagging function, gives it a keyword that it does not know or a value that it
            does not take, or leaves one out that it needs. SaQC itself would ignore some of that.
    """
    series = dict(config.series)
    calls = tuple(call for test in config.tests for call in _calls(test, series))
    for call in calls:
        _try_out(call)
    return Plan(config, calls, series)


def _wrong(test: Test, key: str, reason: str) -> ExtractorError:
    return ExtractorError(f"wrong QAQC settings: tests.{test.number}.{key}: {reason}")


def _calls(test: Test, series: dict[str, SeriesKey]) -> Iterator[Call]:
    parameters = _parameters(test)
    kwargs = dict(test.kwargs)
    if test.function == "flagGeneric":
        kwargs["func"] = _expression(test, kwargs.pop("func", kwargs.pop("function", None)))
    _check_keywords(test, kwargs, parameters)
    kwargs = {key: _respelled(value, parameters.get(key)) for key, value in kwargs.items()}
    named = _series_keywords(kwargs, parameters, series)
    reach = reach_of(test.function, kwargs)
    if test.function == "flagGeneric":
        kwargs["func"] = _compiled(test, kwargs["func"])
    if len(test.fields) == 1 or test.function in _MULTIVARIATE:
        yield Call(test, test.fields, test.targets, named, kwargs, reach)
        return
    if len(test.targets) != len(test.fields):
        raise _wrong(test, "target", f"{test.function} takes as many targets as fields")
    for field, target in zip(test.fields, test.targets, strict=True):
        yield Call(test, (field,), (target,), named, kwargs, reach)


def _parameters(test: Test) -> Mapping[str, inspect.Parameter]:
    functions = flagging_functions()
    if test.function not in functions:
        successor = _SUCCESSORS.get(test.function)
        hint = f"SaQC {saqc.__version__} has {successor} in its place; " if successor else ""
        raise _wrong(test, "function", f"{hint}{test.function!r} is not one of {', '.join(sorted(functions))}")
    return inspect.signature(functions[test.function]).parameters


def _check_keywords(test: Test, kwargs: Mapping[str, Any], parameters: Mapping[str, inspect.Parameter]) -> None:
    known = (set(parameters) | _COMMON_KEYWORDS) - _NOT_IN_SETTINGS
    for key in kwargs:
        if key not in known:
            raise _wrong(test, f"kwargs.{key}", f"{test.function} knows {', '.join(sorted(known))}")
    for name, parameter in parameters.items():
        is_needed = parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD
        if is_needed and name not in kwargs and name not in _NOT_IN_SETTINGS:
            raise _wrong(test, f"kwargs.{name}", f"{test.function} needs it")
    _check_sense(test, kwargs, parameters)


def _check_sense(test: Test, kwargs: Mapping[str, Any], parameters: Mapping[str, inspect.Parameter]) -> None:
    """Refuse what SaQC would run without flagging anything, or flagging all."""
    if test.function == "flagRange":
        low, high = kwargs.get("min"), kwargs.get("max")
        if low is None and high is None:
            raise _wrong(test, "kwargs", "flagRange needs min, max or both")
        if isinstance(low, int | float) and isinstance(high, int | float) and low > high:
            raise _wrong(test, "kwargs.min", f"{low} is more than max, {high}: that flags every value")
    flag = kwargs.get("flag", saqc.BAD)
    if not isinstance(flag, int | float) or not np.isfinite(flag):
        raise _wrong(test, "kwargs.flag", "a flag is a number; 255 is bad, 0 is good")
    if test.function == "flagDriftFromNorm" and len(test.fields) == 1:
        raise _wrong(test, "field", "flagDriftFromNorm compares series: give a list of two or more")
    needs_target = "target" in parameters and parameters["target"].default is inspect.Parameter.empty
    if needs_target and test.targets == test.fields:
        raise _wrong(test, "target", f"{test.function} needs a target other than its field")


def _respelled(value: Any, parameter: inspect.Parameter | None) -> Any:
    annotation = str(parameter.annotation) if parameter is not None else ""
    if "OffsetStr" not in annotation and "FreqStr" not in annotation:
        return value
    if isinstance(value, list):
        return tuple(_respelled(one, parameter) for one in value)
    return modern_span(value) if isinstance(value, str) else value


def _series_keywords(
    kwargs: dict[str, Any], parameters: Mapping[str, inspect.Parameter], series: dict[str, SeriesKey]
) -> tuple[str, ...]:
    """The keywords that name series, which are made texts. Names that no test gives to a field are positions."""
    found = []
    for key, value in kwargs.items():
        annotation = str(parameters[key].annotation) if key in parameters else ""
        if "SaQCColumns" in annotation and not (isinstance(value, list) and "list" in annotation):
            kwargs[key] = [str(one) for one in value] if isinstance(value, list) else str(value)
            found.append(key)
            for name in _listed(kwargs[key]):
                series.setdefault(name, SeriesKey(name))
    return tuple(found)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _expression(test: Test, written: object) -> str:
    try:
        return expression_of(written)
    except ValueError as error:
        raise _wrong(test, "kwargs.func", str(error)) from error


def _compiled(test: Test, expression: str) -> Callable[..., Any]:
    try:
        function = compiled(expression)
    except ValueError as error:
        raise _wrong(test, "kwargs.func", str(error)) from error
    count = len(inspect.signature(function).parameters)
    if count != len(test.fields):
        reason = f"has {count} variables for {len(test.fields)} fields; they take the fields in the order of first use"
        raise _wrong(test, "kwargs.func", f"{expression!r} {reason}")
    return function


def _try_out(call: Call) -> None:
    """Let SaQC check the values of the keywords, on a sample of hourly numbers.

    What else goes wrong with the sample is no fault of the settings: the thing's own numbers are others.
    """
    hours = pd.date_range("2000-01-01", periods=48, freq="h")
    sample = saqc.SaQC({name: pd.Series(np.sin(np.arange(48.0)), index=hours) for name in sorted(call.series)})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        error = attempt(sample, call)[1]
    if isinstance(error, ValidationError):
        details = error.errors(include_url=False)
        key = str(details[0]["loc"][0]) if details[0]["loc"] else "?"
        reasons = dict.fromkeys(detail["msg"].removeprefix("Value error, ") for detail in details)
        raise _wrong(call.test, f"kwargs.{key}", f"{call.kwargs.get(key)!r}: {'; or: '.join(reasons)}") from error
    if isinstance(error, TypeError):
        raise _wrong(call.test, "kwargs", f"{call.test.function} cannot run with them: {one_line(error)}") from error


def attempt(checked: saqc.SaQC, call: Call) -> tuple[saqc.SaQC, Exception | None]:
    """The call made on `checked`, and None; or, where it cannot run, `checked` as it was, and why."""
    try:
        return _run(checked, call), None
    except Exception as error:  # SaQC and what lies below it raise anything where a test cannot run on the numbers
        return checked, error


def _run(checked: saqc.SaQC, call: Call) -> saqc.SaQC:
    empty = sorted(name for name in call.series if checked.data[name].empty)
    if empty:
        raise ValueError(f"no numbers in {', '.join(empty)}")
    if call.test.function == "propagateFlags" and not (checked.flags[call.fields[0]] > saqc.UNFLAGGED).any():
        return checked  # SaQC fails where there is no flag yet
    field: Any = list(call.fields) if len(call.fields) > 1 else call.fields[0]
    target: Any = list(call.targets) if len(call.targets) > 1 else call.targets[0]
    return getattr(checked, call.test.function)(field, **({} if target == field else {"target": target}), **call.kwargs)


def one_line(error: Exception) -> str:
    """What an error says, in one line of at most 300 characters."""
    return " ".join(str(error).split())[:300] or type(error).__name__
