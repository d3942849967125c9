"""Who calls, and how a token is told to be a caller's."""

import re
from dataclasses import dataclass
from typing import ClassVar, Protocol

from bridge.core.deadline import Deadline
from bridge.core.scopes import Scope

NAME_MAX = 64

# Headers in which tokens come.
BEARER_HEADER = "Authorization"  # `Bearer TOKEN` (RFC 6750)
SLURM_HEADER = "X-SLURM-USER-TOKEN"  # slurmrestd's


@dataclass(frozen=True, slots=True)
class Caller:
    """A known caller. `name` is for the log and for the comment of jobs, and is a `CALLER_NAME`."""

    name: str
    scopes: frozenset[Scope]


def name_from(claim: str) -> str:
    """A caller's name as near to `claim` as it may be: other characters become `_`, and what is too long is cut."""
    return re.sub(r"[^A-Za-z0-9._@-]", "_", claim)[:NAME_MAX]


class Verifier(Protocol):
    """Verifies one sort of tokens."""

    headers: ClassVar[frozenset[str]]  # in which such tokens come

    def verify(self, token: str, deadline: Deadline) -> Caller | None:
        """Whose token this is; `None` where it is not of this sort.

        Raises `UnauthenticatedError` where it is of this sort, and is not valid (any more).
        """
