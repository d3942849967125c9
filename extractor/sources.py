"""Where raw files come from: http(s), and, where the operator enables it, files below certain folders."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import requests

from extractor import downloads, limits
from extractor.errors import ExtractorError
from extractor.logs import Progress, logger
from extractor.redaction import without_credentials

FILE_ROOTS_VARIABLE = "EXTRACTOR_FILE_ROOTS"

CONNECT_TIMEOUT_SECONDS = 10.0
# Between two pieces of data, not for the whole transfer: a big file may take its time, a dead server may not.
READ_TIMEOUT_SECONDS = 60.0
CHUNK_BYTES = 1 << 20


def check(uri: str) -> None:
    """Raise `ValueError`, with a reason that repeats nothing secret of `uri`, unless it can be a source."""
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        raise ValueError("not a URI") from None
    if parts.scheme not in _FETCHERS:
        raise ValueError(f"a source is one of {', '.join(f'{name}://' for name in _FETCHERS)}")
    if parts.scheme == "file":
        if not file_roots():
            raise ValueError(
                f"file:// sources are not enabled; {FILE_ROOTS_VARIABLE} names the folders they may lie in"
            )
        if parts.netloc not in ("", "localhost"):
            raise ValueError("a file:// source names no host: file:///folder/file")
    elif not parts.hostname or port == 0:
        raise ValueError("the source names no host")


def file_roots() -> list[Path]:
    """The folders below which `file://` sources may lie: absolute paths, separated by colons."""
    return [Path(root) for root in os.environ.get(FILE_ROOTS_VARIABLE, "").split(":") if root.startswith("/")]


@contextmanager
def fetch(uri: str) -> Iterator[Path]:
    """The source's content as a file that may be read while the context lasts.

    Raises:
        ExtractorError: the source cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="extractor-") as folder:
        yield _FETCHERS[urlsplit(uri).scheme](uri, Path(folder) / "source")


def _download(uri: str, destination: Path) -> Path:
    shown = without_credentials(uri)
    progress = Progress("%s bytes received")
    received_bytes = 0
    try:
        with (
            downloads.session() as session,
            session.get(uri, stream=True, timeout=(CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS)) as response,
            destination.open("wb") as file,
        ):
            if response.status_code != requests.codes.ok:
                raise ExtractorError(
                    f"cannot read {shown}: the server answered {response.status_code} {response.reason}"
                )
            for chunk in response.iter_content(CHUNK_BYTES):
                file.write(chunk)
                received_bytes += len(chunk)
                progress.reached(received_bytes)
    except limits.DeniedError as error:
        raise ExtractorError(f"cannot read {shown}: {error}") from None
    except requests.Timeout:
        raise ExtractorError(f"cannot read {shown}: no answer in time") from None
    except requests.RequestException as error:
        raise ExtractorError(f"cannot read {shown}: {_reason(error)}") from error
    logger.info("%s: %s bytes received", shown, f"{received_bytes:,}")
    return destination


def _reason(error: requests.RequestException) -> str:
    """The bottom of the chain of wrapped errors: what the system or the peer said."""
    cause: BaseException = error
    while inner := cause.__cause__ or cause.__context__:
        cause = inner
    return str(cause).splitlines()[0] if str(cause) else type(cause).__name__


def _open_below_roots(uri: str, destination: Path) -> Path:
    try:
        # With symbolic links resolved: a link inside an enabled folder must not lead out of it.
        path = Path(unquote(urlsplit(uri).path)).resolve(strict=True)
    except OSError as error:
        raise ExtractorError(f"cannot read {without_credentials(uri)}: {error.strerror}") from error
    if not any(path.is_relative_to(root.resolve()) for root in file_roots()):
        raise ExtractorError(f"cannot read {without_credentials(uri)}: outside the folders of {FILE_ROOTS_VARIABLE}")
    if not path.is_file():
        raise ExtractorError(f"cannot read {without_credentials(uri)}: not a file")
    if not os.access(path, os.R_OK):
        raise ExtractorError(f"cannot read {without_credentials(uri)}: permission denied")
    return path


_FETCHERS: dict[str, Callable[[str, Path], Path]] = {
    "http": _download,
    "https": _download,
    "file": _open_below_roots,
}

SCHEMES = tuple(_FETCHERS)
