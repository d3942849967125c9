"""The service with some of its tricks for speed replaced by what the libraries do by themselves.

Usage: WITHOUT=stay+head python -m bench.without serve ...    (an empty WITHOUT: the service as it is)

The production code has no switch for any of them: what is replaced stands in the table below.
"""

import importlib
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from waitress.task import WSGITask

from bridge.cli.main import main

VARIABLE = "WITHOUT"

# Where the tricks are, as module:attribute.
CHANNEL = "bridge.http.server.waitress_channel:ProblemChannel"
TASK = "bridge.http.server.waitress_channel:AnswerTask"
HEARS_MORE = f"{CHANNEL}._hears_more"
BUILD_HEAD = f"{TASK}.build_response_header"
WRITE = f"{TASK}.write"
KEEP_TO_ONE_CPU = "bridge.http.server.serve:keep_to_one_cpu"
SHORTEN_TURNS = "bridge.http.server.serve:shorten_thread_turns"
FREEZE = "bridge.http.server.serve:keep_what_there_is"


@dataclass(frozen=True, slots=True)
class Trick:
    """What it is called in the table, and how the service is made to do without it."""

    title: str
    replace: Callable[[], None]


def put(place: str, value: object) -> None:
    """Put `value` in place of the object there; raises `AttributeError` where there is none."""
    owner, name = _owner(place)
    getattr(owner, name)
    setattr(owner, name, value)


def _owner(place: str) -> tuple[Any, str]:
    module, _, path = place.partition(":")
    *outer, name = path.split(".")
    owner: Any = importlib.import_module(module)
    for attribute in outer:
        owner = getattr(owner, attribute)
    return owner, name


TRICKS: Mapping[str, Trick] = {
    "stay": Trick("a thread stays with its client", lambda: put(HEARS_MORE, lambda _channel: False)),
    "head": Trick("own head of the answer", lambda: put(BUILD_HEAD, WSGITask.build_response_header)),
    "joined": Trick("head and body in one piece", lambda: put(WRITE, WSGITask.write)),
    "cpu": Trick("one CPU for the web process", lambda: put(KEEP_TO_ONE_CPU, lambda: None)),
    "switch": Trick("switch interval", lambda: put(SHORTEN_TURNS, lambda: None)),
    "gc": Trick("gc.freeze", lambda: put(FREEZE, lambda: None)),
}


def names_of(text: str) -> list[str]:
    """The tricks in `text`, as in "stay+head"; raises `KeyError` for one that there is not."""
    names = [name for name in text.split("+") if name]
    for name in names:
        if name not in TRICKS:
            raise KeyError(f"{name}: there are {', '.join(TRICKS)}")
    return names


if __name__ == "__main__":
    for trick in names_of(os.environ.get(VARIABLE, "")):
        TRICKS[trick].replace()
    sys.exit(main())
