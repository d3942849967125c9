"""For which thing each element of an array works: in a text that fits into a comment, whatever the number of elements.

Elements of one thing follow each other, so it tells how many each thing has: `"40,zitPttneEeuiNhJeWkCoRQ17"` are 40 of
the first thing, which the comment names, and 17 of the thing with this UUID (in Base64, RFC 4648, section 5).
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate, groupby
from uuid import UUID

ARRAY_THINGS = re.compile(r"[1-9][0-9]{0,6}(,[A-Za-z0-9_-]{22}[1-9][0-9]{0,6})*")
_ID_LENGTH = 22


def things_text(things: Sequence[UUID]) -> str:
    """The text for elements that work for these things, the element with index 0 first."""
    runs = [(thing, len(list(same))) for thing, same in groupby(things)]
    others = (f",{_short(thing)}{count}" for thing, count in runs[1:])
    return str(runs[0][1]) + "".join(others)


def thing_of(first: UUID, text: str, index: int) -> UUID:
    """The thing of an element; `first` is that of the element with index 0."""
    ends, others = _read(text)
    run = bisect_right(ends, index)
    return others[run - 1] if 0 < run <= len(others) else first


def run_of(text: str, index: int) -> range:
    """The indices of all elements that work for the thing of this one."""
    ends, _ = _read(text)
    run = bisect_right(ends, index)
    return range(ends[run - 1] if run else 0, ends[run]) if run < len(ends) else range(index, index + 1)


def _short(thing: UUID) -> str:
    return urlsafe_b64encode(thing.bytes).decode().rstrip("=")


@lru_cache(maxsize=1024)
def _read(text: str) -> tuple[list[int], list[UUID]]:
    """After which index each thing's elements end, and the things but the first."""
    first, *others = text.split(",")
    counts = [int(first), *(int(other[_ID_LENGTH:]) for other in others)]
    return list(accumulate(counts)), [UUID(bytes=urlsafe_b64decode(other[:_ID_LENGTH] + "==")) for other in others]
