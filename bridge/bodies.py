"""What every route with a JSON body asks of it before looking inside."""

from functools import lru_cache

import falcon

from bridge.errors import (
    FieldError,
    InvalidRequestError,
    UnsupportedMediaTypeError,
)


def read_json_body(request: falcon.Request) -> bytes:
    """The bytes of a body that is declared as JSON in UTF-8; too large a one has been refused by `bridge.transport`.

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
            [FieldError(name[:100], "is not a parameter of this route") for name in request.params]
        )
