"""Who calls, and what each scope allows."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from bridge.deadline import Deadline

NAME_MAX = 64


class Scope(StrEnum):
    """What a caller may do."""

    SUBMIT = "submit"  # new jobs
    READ = "read"  # how jobs stand, and what they printed
    CANCEL = "cancel"
    METRICS = "metrics"


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody known. `name` is for the log and for the comment of jobs: 1 to 64 of `A-Z a-z 0-9 . _ @ -`."""

    name: str
    scopes: frozenset[Scope]


def name_from(claim: str) -> str:
    """A caller's name as near to `claim` as it may be: other characters become `_`, and what is too long is cut."""
    return re.sub(r"[^A-Za-z0-9._@-]", "_", claim)[:NAME_MAX]


class Verifier(Protocol):
    """Knows one sort of tokens."""

    def verify(self, token: str, deadline: Deadline) -> Caller | None:
        """Whose token this is; `None` where it is not of this sort.

        Raises `UnauthenticatedError` where it is, and does not hold (any more).
        """
