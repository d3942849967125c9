"""A file's bytes as physical lines, numbered as an editor numbers them, some ten thousand at a time."""

import codecs
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, BinaryIO

from extractor.errors import ExtractorError

BLOCK_LINES = 100_000
NUL = "\0"

# The longest first: the mark of UTF-32 begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True)
class Block:
    """Lines that follow each other. Each has its line break, the file's last one perhaps not."""

    first: int
    """Number of the first of them; the file's first line is 1."""
    texts: list[str]

    def after(self, count: int | None) -> "Block":
        """The block without its first `count` lines; with None, what is behind its last one: nothing."""
        taken = len(self.texts) if count is None else count
        return Block(self.first + taken, self.texts[taken:])


def blocks(
    stream: BinaryIO, encoding: str, skipfooter: int, left_out: Callable[[Sequence[str]], None]
) -> Iterator[Block]:
    """All lines but the last `skipfooter`, which `left_out` takes.

    A byte order mark says more about the encoding than the settings do.

    Raises:
        ExtractorError: a line is not in that encoding, or no line is left.
    """
    raw: Any = stream  # BufferedReader asks only for what every binary stream has
    buffered: io.BufferedReader[Any] = io.BufferedReader(raw)
    encoding = _marked(buffered.peek(4)) or encoding
    file = io.TextIOWrapper(buffered, encoding=encoding, newline="")
    number = 1
    held: list[str] = []
    try:
        while texts := held + list(islice(file, BLOCK_LINES)):
            ends = len(texts) < BLOCK_LINES + len(held)
            kept = max(0, len(texts) - skipfooter)
            texts, held = texts[:kept], texts[kept:]
            if texts:
                yield Block(number, texts)
            number += len(texts)
            if ends:
                if number == 1:
                    raise ExtractorError(f"skipfooter is {skipfooter}, but the file has only {len(held)} lines")
                left_out(held)
                return
    except UnicodeDecodeError as error:
        raise ExtractorError(_not_decoded(buffered, encoding, error)) from None
    except UnicodeError as error:
        raise ExtractorError(f"the file is not {encoding} (setting `encoding`): {error}") from None
    finally:
        if not buffered.closed:
            file.detach().detach()


def _marked(start: bytes) -> str | None:
    return next((encoding for mark, encoding in _MARKS if start.startswith(mark)), None)


def _not_decoded(file: "io.BufferedReader[Any]", encoding: str, error: UnicodeDecodeError) -> str:
    reason = f"the file is not {encoding} (setting `encoding`): byte {error.object[error.start]:#04x}"
    if not file.seekable() or encoding.startswith(("utf-16", "utf-32")):
        return reason
    file.seek(0)
    for number, line in enumerate(file, 1):
        try:
            line.decode(encoding)
        except UnicodeDecodeError:
            return f"line {number}: {reason}"
    return reason
