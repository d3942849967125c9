"""The header `Range` (RFC 9110, section 14): which part of a file a client asks for."""

import falcon

from bridge.core.errors import RangeNotSatisfiableError


def requested_part(request: falcon.Request, size_bytes: int) -> range | None:
    """The positions of the bytes that `request` asks for, or `None` for all of them.

    `None` also for what RFC 9110 lets a server ignore: another method than GET, a condition (`If-Range`: our files have
    no versions), other units, several ranges, what is malformed. Raises `RangeNotSatisfiableError` where the file has
    none of the bytes.
    """
    if request.method != "GET" or request.get_header("If-Range") is not None:
        return None
    try:
        if request.range is None or (request.range_unit or "").lower() != "bytes":
            return None
        first, last = request.range
    except falcon.HTTPInvalidHeader:
        return None
    if first < 0:  # the last bytes, so many
        part = range(max(0, size_bytes + first), size_bytes)
    else:
        part = range(first, size_bytes if last < 0 else min(last + 1, size_bytes))
    if not part:
        raise RangeNotSatisfiableError(size_bytes)
    return part
