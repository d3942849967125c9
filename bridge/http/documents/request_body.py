"""Reading a JSON body into its model, and saying what is wrong with it."""

import re
from functools import lru_cache
from typing import TypeVar

import falcon
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from bridge.core.errors import (
    BodyTooLargeError,
    FieldError,
    InvalidRequestError,
    MalformedJsonError,
    UnsupportedMediaTypeError,
)
from bridge.jobs.requests.fields import ITEMS_MAX, PARSER_PATTERN, BodyContext, RequestRules

ERRORS_MAX = 100  # in one answer
# Members and elements of a body, for each item that it may have. Each may be at fault in several ways, and pydantic
# gathers all faults, of a KiB each: 4 MiB of `{}` would take gigabytes.
PARTS_OF_ITEM_MAX = 16

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)  # or the beginning of one

M = TypeVar("M", bound=BaseModel)


def read_json_body(request: falcon.Request) -> bytes:
    """The bytes of a body that is declared as JSON in UTF-8. The server has refused bodies above the limit before.

    Raises `UnsupportedMediaTypeError` where it is declared otherwise.
    """
    if not _is_json(request.content_type or ""):
        raise UnsupportedMediaTypeError("Send the body as `Content-Type: application/json`, in UTF-8.")
    if request.get_header("Content-Encoding", default="identity").lower() != "identity":
        raise UnsupportedMediaTypeError("Send the body without a `Content-Encoding`.")
    body: bytes = request.stream.read(request.content_length or 0)  # waitress has all of it
    return body


@lru_cache(maxsize=64)
def _is_json(content_type: str) -> bool:
    media_type, parameters = falcon.parse_header(content_type)
    return media_type.lower() == "application/json" and parameters.get("charset", "utf-8").lower() in ("utf-8", "utf8")


def refuse_query(request: falcon.Request) -> None:
    """Raise `InvalidRequestError` where the address has a query string, on a route that knows none."""
    if request.params:
        raise InvalidRequestError(
            [FieldError(name[:100], "is not a parameter of this route") for name in list(request.params)[:ERRORS_MAX]]
        )


def read_request(model: type[M], body: bytes, rules: RequestRules | None = None) -> M:
    """The request in `body`; `rules` for those whose model has fields that they are about.

    Raises `MalformedJsonError` where it is not a JSON object in UTF-8, `InvalidRequestError` with the fields at fault,
    `BodyTooLargeError` where it has far more members and elements than any request.
    """
    items_max = ITEMS_MAX if rules is None else rules.items_max
    _refuse_too_many_parts(body, PARTS_OF_ITEM_MAX * items_max)
    try:
        return model.model_validate_json(body, context=BodyContext(rules))
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False, include_input=False)
    if any(detail["type"] == "json_invalid" or not detail["loc"] for detail in details):
        raise MalformedJsonError("The body must be one JSON object in UTF-8.")
    raise InvalidRequestError([field_error(detail) for detail in details[:ERRORS_MAX]])


def _refuse_too_many_parts(body: bytes, parts_max: int) -> None:
    if body.count(b",") > parts_max and _STRING.sub(b"", body).count(b",") > parts_max:
        raise BodyTooLargeError(f"The body has more than {parts_max} members and elements: send fewer items.")


_MESSAGES = {
    "missing": "is required",
    "extra_forbidden": "is not a field of this request",
    "bool_type": "must be true or false",
    "string_type": "must be a string",
    "string_pattern_mismatch": f"must match {PARSER_PATTERN}",
    "uuid_type": "must be a string that holds a UUID (RFC 4122)",
}


def field_error(detail: ErrorDetails) -> FieldError:
    """What pydantic found wrong, in our words where its own are for programmers."""
    field = ".".join(str(part) for part in detail["loc"])
    message = _MESSAGES.get(detail["type"]) or detail["msg"].removeprefix("Value error, ")
    return FieldError(field[:100], message)
