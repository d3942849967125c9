"""Hides credentials in what jobs print. Pure.

What is hidden becomes `*`, byte for byte, so that offsets stay those of the file. A word is what stands between blanks,
control characters, `"`, `<` and `>`: no URI has any of these. Hidden are, in a word,

- what stands between `://` and the last `@`: user and password, even with a `/`, `?` or `@` that they must not hold;
- what follows a `?`: queries may be signatures, and HTTP libraries quote them without scheme and host;

and the secrets that are known, wherever they stand. A file's last bytes may be the beginning of something to hide, for
programs write their output in blocks: what follows a `://` in the last word is hidden, and the beginning of a secret.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from urllib.parse import quote, quote_plus

# A shorter secret would stand in ordinary words as well: hiding it would spoil the text, and tell what it is.
SECRET_MIN_BYTES = 4

# Files are masked in blocks that begin at multiples of this, each as it stands between its neighbours' edges: so what a
# byte becomes depends on the file alone, not on the part that is asked for.
BLOCK_BYTES = 256 * 1024
# The longest URI to hide, a source of 8 KiB, has 24 KiB where every byte of it is percent-encoded.
EDGE_BYTES = 32 * 1024

# Each takes the rest of its word, so that no byte is looked at twice, however long the word is.
_QUERY = re.compile(rb'\?([^\x00-\x20"<>\x7f]+)')
_AFTER_SCHEME = re.compile(rb'://([^\x00-\x20"<>\x7f]+)')
_PERCENT_ENCODED = re.compile(r"%[0-9A-F]{2}")
# Bytes that libraries leave as they are: all are encoded, paths, JavaScript's components, user infos (RFC 3986).
_UNENCODED = ("", "/", "!'()*", "!$&'()*+,;=:")

Interval = tuple[int, int]


class Masker:
    """Hides what looks like credentials, and `secrets`: as given, quoted by Python or JSON, percent-encoded."""

    def __init__(self, secrets: Iterable[str]) -> None:
        long_enough = [secret for secret in secrets if len(secret.encode()) >= SECRET_MIN_BYTES]
        self._secrets = tuple({spelling.encode() for secret in long_enough for spelling in _spellings(secret)})
        self._edge_bytes = max([EDGE_BYTES, *map(len, self._secrets)])

    def mask(self, text: bytes, *, is_end: bool) -> bytes:
        """`text` with all that is to be hidden in it as `*`. `is_end` says that it is the end of its file."""
        masked = bytearray(text)
        for start, stop in chain(_queries(text), _user_infos(text, is_end=is_end), self._known(text, is_end=is_end)):
            masked[start:stop] = b"*" * (stop - start)
        return bytes(masked)

    def chunks(self, read: Callable[[int, int], bytes], size_bytes: int, part: range) -> Iterator[bytes]:
        """`part` of a file of `size_bytes`, masked, in pieces of `BLOCK_BYTES` at most.

        `read(start, stop)` gets these bytes of the file. Where it gets fewer, as the file has become shorter, the
        pieces end early.
        """
        position = part.start
        while position < part.stop:
            block = position - position % BLOCK_BYTES
            start, stop = max(0, block - self._edge_bytes), min(size_bytes, block + BLOCK_BYTES + self._edge_bytes)
            text = read(start, stop)
            is_short = len(text) < stop - start
            masked = self.mask(text, is_end=is_short or stop == size_bytes)
            wanted = min(part.stop, block + BLOCK_BYTES) - position
            chunk = masked[position - start :][:wanted]
            yield chunk
            if len(chunk) < wanted:
                return
            position += wanted

    def _known(self, text: bytes, *, is_end: bool) -> Iterator[Interval]:
        for secret in self._secrets:
            start = text.find(secret)
            while start >= 0:
                stop = start + len(secret)
                yield start, stop
                overlapping = text.rfind(secret, start + 1, stop + len(secret) - 1)
                start = overlapping if overlapping >= 0 else text.find(secret, stop)
            if is_end:
                begun = next((n for n in range(len(secret) - 1, 0, -1) if text.endswith(secret[:n])), 0)
                yield len(text) - begun, len(text)


def _queries(text: bytes) -> Iterator[Interval]:
    return (match.span(1) for match in _QUERY.finditer(text))


def _user_infos(text: bytes, *, is_end: bool) -> Iterator[Interval]:
    for match in _AFTER_SCHEME.finditer(text):
        start, stop = match.span(1)
        if is_end and stop == len(text):
            yield start, stop
        elif (at := text.rfind(b"@", start, stop)) >= 0:
            yield start, at


def _spellings(secret: str) -> set[str]:
    encoded = {quote(secret, safe=unencoded) for unencoded in _UNENCODED} | {quote_plus(secret)}
    lower_case = {_PERCENT_ENCODED.sub(lambda code: code[0].lower(), text) for text in encoded}
    return {secret, repr(secret)[1:-1], json.dumps(secret)[1:-1]} | encoded | lower_case
