"""Slurm's own tokens (`scontrol token`): JWTs that name a Slurm user, as slurmrestd takes them."""

from collections.abc import Mapping
from typing import ClassVar, Protocol

from bridge.auth.callers import BEARER_HEADER, SLURM_HEADER, Caller, name_from
from bridge.auth.jwt import SeenJwt, look_at
from bridge.core.deadline import Deadline
from bridge.core.errors import UnauthenticatedError
from bridge.core.scopes import Scope


class TokenCheck(Protocol):
    """Checks whether a token is what it says."""

    def check(self, token: str, seen: SeenJwt, deadline: Deadline) -> None:
        """Raise `UnauthenticatedError` where it is not, another `BridgeError` where that cannot be told for now."""


class SlurmTokenVerifier:
    """Verifies the tokens of the Slurm users `users`, each with its scopes; no other user may call."""

    headers: ClassVar = frozenset({BEARER_HEADER, SLURM_HEADER})

    def __init__(self, users: Mapping[str, frozenset[Scope]], user_claim: str, check: TokenCheck) -> None:
        self._users = users
        self._user_claim = user_claim
        self._check = check

    def verify(self, token: str, deadline: Deadline) -> Caller | None:
        """See `Verifier`. Also raises what `TokenCheck` does."""
        seen = look_at(token)
        if seen is None or self._user_claim not in seen.claims:
            return None
        user = seen.claims[self._user_claim]
        if not isinstance(user, str) or user not in self._users:
            raise UnauthenticatedError("This user may not call: the operator can add it to `slurm_tokens.users`.")
        self._check.check(token, seen, deadline)
        return Caller(name_from(user), self._users[user])
