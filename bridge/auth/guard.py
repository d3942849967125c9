"""Falcon middleware that lets nobody to a resource who may not use it."""

from collections.abc import Sequence
from typing import Any

import falcon

from bridge.auth.callers import Caller, Verifier
from bridge.auth.slurm_tokens import SlurmTokens
from bridge.deadline import Deadline
from bridge.errors import ForbiddenError, UnauthenticatedError

SLURM_HEADER = "X-SLURM-USER-TOKEN"  # slurmrestd's


class Guard:
    """Asks each resource which scope a method needs: its attribute `scopes`, from method to scope.

    A method that is not in there is for everybody. Without `verifiers` there is nobody to tell from others, and
    everybody may do everything: such a service listens on loopback only.
    """

    def __init__(self, verifiers: Sequence[Verifier], timeout_seconds: float) -> None:
        self._verifiers = tuple(verifiers)
        # What comes in Slurm's header is a token of Slurm's or nothing.
        self._slurm_verifiers = tuple(verifier for verifier in verifiers if isinstance(verifier, SlurmTokens))
        self._timeout_seconds = timeout_seconds

    def process_resource(
        self, request: falcon.Request, _response: falcon.Response, resource: Any, _params: dict[str, Any]
    ) -> None:
        """Raise `UnauthenticatedError` or `ForbiddenError` where the caller may not do this."""
        scope = resource.scopes.get("GET" if request.method == "HEAD" else request.method)
        if scope is None or not self._verifiers:
            return
        caller = self._identify(request)
        request.context.caller = caller
        if scope not in caller.scopes:
            raise ForbiddenError(f"{caller.name} lacks the scope `{scope}`: the operator can grant it.", scope)

    def _identify(self, request: falcon.Request) -> Caller:
        token = _offered_token(request)
        deadline = Deadline.after(self._timeout_seconds)
        for verifier in self._slurm_verifiers if request.get_header(SLURM_HEADER) else self._verifiers:
            if (caller := verifier.verify(token, deadline)) is not None:
                return caller
        raise UnauthenticatedError("This token is none that the service knows.")


def caller_name(request: falcon.Request) -> str | None:
    """Who sends the request; `None` where the guard has not asked."""
    caller: Caller | None = getattr(request.context, "caller", None)
    return None if caller is None else caller.name


def _offered_token(request: falcon.Request) -> str:
    authorization = request.auth or ""
    slurm_token = request.get_header(SLURM_HEADER)
    if authorization and slurm_token:
        raise UnauthenticatedError(f"Send either `Authorization` or `{SLURM_HEADER}`, not both.")
    if slurm_token:
        return slurm_token
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise UnauthenticatedError("Send a token as `Authorization: Bearer TOKEN`.", is_token_bad=False)
    return token.strip()
