"""What a fetched file holds: plain, or packed with gzip, bzip2, xz or zip. Its first bytes tell, never its name."""

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO

from extractor.errors import ExtractorError

# A few kilobytes can be packed that unpack to terabytes; no logger writes as much as this into one file.
MAX_UNPACKED_BYTES = 16 << 30


_DAMAGED = (EOFError, OSError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The file's content, unpacked.

    Raises:
        ExtractorError: it is damaged, too large, or not one file alone; also while it is read.
    """
    with path.open("rb") as file:
        packed = _unpacked(file, file.peek(8))
        yield file if packed is None else io.BufferedReader(_Unpacked(packed))


def _unpacked(file: BinaryIO, start: bytes) -> IO[bytes] | gzip.GzipFile | None:
    if start.startswith(b"\x1f\x8b"):
        return gzip.open(file)
    if start.startswith(b"BZh"):
        return bz2.open(file)
    if start.startswith(b"\xfd7zXZ\0"):
        return lzma.open(file)
    return _only_file(file) if start.startswith((b"PK\x03\x04", b"PK\x05\x06")) else None


def _only_file(file: BinaryIO) -> IO[bytes]:
    try:
        archive = zipfile.ZipFile(file)
    except zipfile.BadZipFile as error:
        raise ExtractorError(f"the file is packed, and damaged: {error}") from error
    members = [member for member in archive.infolist() if not member.is_dir() and "__MACOSX/" not in member.filename]
    if len(members) != 1:
        raise ExtractorError(f"the zip archive holds {len(members)} files: put one file into it")
    if members[0].flag_bits & 1:
        raise ExtractorError("the zip archive is encrypted")
    return archive.open(members[0])


class _Unpacked(io.RawIOBase):
    """Ends with an error where the packed file is damaged, or more than `MAX_UNPACKED_BYTES` come out."""

    def __init__(self, file: IO[bytes] | gzip.GzipFile) -> None:
        self._file = file
        self._bytes = 0

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer`."""
        try:
            content = self._file.read(len(buffer))
        except _DAMAGED as error:
            raise ExtractorError(f"the file is packed, and damaged: {error}") from error
        buffer[: len(content)] = content
        self._bytes += len(content)
        if self._bytes > MAX_UNPACKED_BYTES:
            raise ExtractorError(f"the file unpacks to more than {MAX_UNPACKED_BYTES >> 30} GiB")
        return len(content)
