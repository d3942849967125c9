"""The HTTP headers of the contract, each with its schema."""

from dataclasses import dataclass
from typing import Any

from bridge.core.text import CLIENT_ID, OFFERED_KEY, anchored

_TAG_EXAMPLE = 'W/"0c3c5a7be6a1f0de4a6b7e57"'
_TAG = r'^W/"[0-9a-f]{24}"$'


@dataclass(frozen=True, slots=True)
class Header:
    """`is_required`: the answers that list it always have it."""

    meaning: str
    schema: dict[str, Any]
    example: Any
    is_required: bool = True


def _text(**rules: Any) -> dict[str, Any]:
    return {"type": "string", **rules}


REQUEST_HEADERS = {
    "Idempotency-Key": Header(
        "The same key with the same body gets the first job, with another body 422",
        _text(pattern=anchored(OFFERED_KEY)),
        "upload-2026-11-24",
        is_required=False,
    ),
    "If-None-Match": Header("`ETag` of the answer before", _text(), _TAG_EXAMPLE, is_required=False),
    "Range": Header(
        "One range of bytes (RFC 9110, section 14); other values are ignored",
        _text(),
        "bytes=0-1023",
        is_required=False,
    ),
}

REQUEST_ID_HEADER = "X-Request-ID"

# What follows a dot tells headers of one name apart.
ANSWER_HEADERS = {
    REQUEST_ID_HEADER: Header(
        "Id of the request, which the log has too; the client's own `X-Request-ID` if it sent a sane one",
        _text(pattern=anchored(CLIENT_ID)),
        "abc94a085b7e4362a5a2dc4b0235a71b",
    ),
    "Location": Header("Address of the job", _text(format="uri-reference"), "/jobs/17"),
    "Idempotency-Replayed": Header("The job was there already", _text(const="true"), "true"),
    "ETag": Header(
        "The same as long as nothing in the answer has changed but its age",
        _text(pattern=_TAG),
        REQUEST_HEADERS["If-None-Match"].example,
    ),
    "Cache-Control": Header("Nothing is to keep the answer", _text(const="no-store"), "no-store"),
    "Cache-Control.file": Header("Ask each time whether it is the same", _text(const="no-cache"), "no-cache"),
    "Warning": Header(
        "The Slurm controller does not answer; this is its last word",
        _text(pattern="^110 "),
        '110 - "the Slurm controller does not answer; this is its last word"',
        is_required=False,
    ),
    "Retry-After": Header("When to send the request again, in seconds", {"type": "integer", "minimum": 1}, 5),
    "Retry-After.waiting": Header(
        "Too many clients wait already: ask again after this many seconds",
        {"type": "integer", "minimum": 1},
        1,
        is_required=False,
    ),
    "WWW-Authenticate": Header(
        "How to sign in (RFC 6750)", _text(pattern="^Bearer "), 'Bearer realm="tsm-slurm-bridge"'
    ),
    "Allow": Header("The methods of the address", _text(), "POST, OPTIONS"),
    "Accept-Ranges": Header("A `Range` may be asked for", _text(const="bytes"), "bytes"),
    "Content-Range": Header(
        "Which bytes these are, and how many there are",
        _text(pattern=r"^bytes (?:[0-9]+-[0-9]+|\*)/[0-9]+$"),
        "bytes 0-1023/2048",
    ),
    "X-Content-Type-Options": Header("Browsers are not to guess", _text(const="nosniff"), "nosniff"),
    "Content-Security-Policy": Header("What the page may load", _text(), "default-src 'none'"),
}
