"""What the table of routes is made of: routes, their methods, and what each takes and answers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from bridge.core.errors import (
    BodyTooLargeError,
    BridgeError,
    ControllerUnreachableError,
    ForbiddenError,
    HeadTooLargeError,
    IdentityProviderUnreachableError,
    InternalError,
    MalformedRequestError,
    MethodNotAllowedError,
    NotFoundError,
    OverloadedError,
    RequestTimeoutError,
    TokensUnreadableError,
    TooManyRequestsError,
    UnauthenticatedError,
)
from bridge.core.scopes import Scope

JSON = "application/json"
TEXT = "text/plain"
HTML = "text/html"
ANY = "*/*"

Errors = tuple[type[BridgeError], ...]

# What every operation may answer; every operation that needs a scope; the same where callers have to sign in; and what
# other methods and addresses get.
ALWAYS: Errors = (
    MalformedRequestError,
    RequestTimeoutError,
    BodyTooLargeError,
    HeadTooLargeError,
    InternalError,
)
WHERE_COUNTED: Errors = (TooManyRequestsError,)
WHERE_GUARDED: Errors = (
    UnauthenticatedError,
    ForbiddenError,
    ControllerUnreachableError,
    IdentityProviderUnreachableError,
    OverloadedError,
    TokensUnreadableError,
)
ELSEWHERE: Errors = (NotFoundError, MethodNotAllowedError)


@dataclass(frozen=True, slots=True)
class Answer:
    """What an operation answers where nothing is wrong.

    `document` is the type of its JSON; None: another media type, or no body where `media_type` is None too.
    `headers` are names in `bridge.http.openapi.headers`, beside those that every answer has.
    """

    status: int
    meaning: str
    document: Any = None
    media_type: str | None = JSON
    example: Any = None
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one route. `query` and `body` are the models that read the query string and the body.

    `scope` is what a caller needs where callers have to sign in; None: everybody may do it.
    """

    method: str
    id: str
    scope: Scope | None
    does: str
    more: str = ""
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    headers: tuple[str, ...] = ()
    answers: tuple[Answer, ...]
    errors: Errors = ()


@dataclass(frozen=True, slots=True)
class Route:
    """A path, what makes the resource that answers there, and its methods. `HEAD` is `GET` without the body."""

    path: str
    make: Callable[..., Any]
    operations: tuple[Operation, ...]
