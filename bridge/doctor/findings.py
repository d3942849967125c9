"""What a check has found."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is."""

    GREEN = "green"
    YELLOW = "yellow"  # the bridge works, and something is missing or worth a look
    RED = "red"  # jobs, or callers, fail


@dataclass(frozen=True, slots=True)
class Finding:
    """`check` is a setting, or a part of the cluster; `fix` one line, where there is something to do."""

    check: str
    level: Level
    text: str
    fix: str | None = None


def green(check: str, text: str) -> Finding:
    """All is well."""
    return Finding(check, Level.GREEN, text)


def yellow(check: str, text: str, fix: str) -> Finding:
    """Something is worth a look."""
    return Finding(check, Level.YELLOW, text, fix)


def red(check: str, text: str, fix: str) -> Finding:
    """Something does not work."""
    return Finding(check, Level.RED, text, fix)


Findings = Iterator[Finding]
