"""What every route with a JSON body asks of it before looking inside."""

from collections.abc import Collection

import falcon

from bridge.errors import (
    BodyTooLargeError,
    FieldError,
    InvalidRequestError,
    UnsupportedMediaTypeError,
)

BODY_MAX_BYTES = 64 * 1024


def read_json_body(request: falcon.Request) -> bytes:
    """The bytes of a body that is declared as JSON in UTF-8.

    Raises `UnsupportedMediaTypeError` where it is declared otherwise, `BodyTooLargeError` beyond `BODY_MAX_BYTES`.
    """
    media_type, parameters = falcon.parse_header(request.content_type or "")
    if media_type.lower() != "application/json" or parameters.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
        raise UnsupportedMediaTypeError("Send the body as `Content-Type: application/json`, in UTF-8.")
    if request.get_header("Content-Encoding", default="identity").lower() != "identity":
        raise UnsupportedMediaTypeError("Send the body without a `Content-Encoding`.")
    body: bytes = request.bounded_stream.read(BODY_MAX_BYTES + 1)
    if len(body) > BODY_MAX_BYTES:
        raise BodyTooLargeError(f"The body may have {BODY_MAX_BYTES} bytes.")
    return body


def refuse_query(request: falcon.Request, known: Collection[str] = ()) -> None:
    """Raise `InvalidRequestError` where the query string has other parameters than those `known` to the route."""
    unknown = [name for name in request.params if name not in known]
    if unknown:
        raise InvalidRequestError([FieldError(name[:100], "is not a parameter of this route") for name in unknown])
