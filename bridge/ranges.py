"""The header `Range` (RFC 9110, section 14): which part of a file a client asks for. Pure."""

import re

from bridge.errors import RangeNotSatisfiableError

_ONE_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.IGNORECASE)  # 18 digits: no file is larger


def requested_part(header: str | None, size_bytes: int) -> range | None:
    """The positions of the bytes asked for, or `None` for all of them.

    `None` also for what RFC 9110 lets a server ignore: other units, several ranges, what is malformed. Raises
    `RangeNotSatisfiableError` where the file has none of the bytes.
    """
    match = _ONE_RANGE.fullmatch(header or "")
    if match is None or match[1] == match[2] == "":
        return None
    if match[1] == "":
        part = range(max(0, size_bytes - int(match[2])), size_bytes)
    else:
        first = int(match[1])
        last = int(match[2]) if match[2] else max(first, size_bytes - 1)
        if last < first:
            return None
        part = range(first, min(last + 1, size_bytes))
    if not part:
        raise RangeNotSatisfiableError(size_bytes)
    return part
