"""Falcon middleware that lets a caller use what its token allows."""

from collections.abc import Mapping, Sequence
from typing import Any

import falcon

from bridge.auth.callers import BEARER_HEADER, SLURM_HEADER, Caller, Verifier
from bridge.core.errors import ForbiddenError, UnauthenticatedError
from bridge.core.scopes import Scope


class Authentication:
    """Asks a caller for a token where the method of a route needs a scope (`scopes`: by path and method).

    Other methods are for everybody. Without `verifiers` callers cannot be told apart, and everybody may do everything:
    such a service listens on loopback only.
    """

    def __init__(self, verifiers: Sequence[Verifier], scopes: Mapping[str, Mapping[str, Scope]]) -> None:
        self._verifiers = {
            header: tuple(verifier for verifier in verifiers if header in verifier.headers)
            for header in (BEARER_HEADER, SLURM_HEADER)
        }
        self._is_off = not verifiers
        self._scopes = scopes

    def process_resource(
        self, request: falcon.Request, _response: falcon.Response, _resource: Any, _params: dict[str, Any]
    ) -> None:
        """Raise `UnauthenticatedError` or `ForbiddenError` where the caller may not do this."""
        scope = needed_scope(request, self._scopes)
        if scope is None or self._is_off:
            return
        caller = self._identify(request)
        request.context.caller_name, request.context.scopes = caller.name, caller.scopes
        if scope not in caller.scopes:
            raise ForbiddenError(f"{caller.name} lacks the scope `{scope}`: the operator can grant it.", scope)

    def _identify(self, request: falcon.Request) -> Caller:
        header, token = _offered_token(request)
        for verifier in self._verifiers[header]:
            if (caller := verifier.verify(token, request.context.deadline)) is not None:
                return caller
        raise UnauthenticatedError("The service does not know this token.")


def needed_scope(request: falcon.Request, scopes: Mapping[str, Mapping[str, Scope]]) -> Scope | None:
    """What the caller of this method of this route needs; `None`: everybody may do it."""
    return scopes.get(request.uri_template or "", {}).get("GET" if request.method == "HEAD" else request.method)


def _offered_token(request: falcon.Request) -> tuple[str, str]:
    """The header that a token came in, and the token."""
    authorization = request.auth or ""
    slurm_token = request.get_header(SLURM_HEADER)
    if authorization and slurm_token:
        raise UnauthenticatedError(f"Send either `Authorization` or `{SLURM_HEADER}`, not both.")
    if slurm_token:
        return SLURM_HEADER, slurm_token
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise UnauthenticatedError("Send a token as `Authorization: Bearer TOKEN`.", is_token_bad=False)
    return BEARER_HEADER, token.strip()
