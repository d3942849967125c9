"""Where raw files come from: http(s), and, where the operator enables it, files below certain folders."""

import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import requests

from extractor import limits
from extractor.errors import ExtractorError, PassingError
from extractor.logs import Progress, logger
from extractor.reading import downloads
from extractor.redaction import without_credentials
from extractor.uris import check_source

CONNECT_TIMEOUT_SECONDS = 10.0
# Between two pieces of data: a big file may take its time (`limits.source_time`), a dead server may not.
READ_TIMEOUT_SECONDS = 60.0
CHUNK_BYTES = 1 << 20
# Answers after which the same may be answered otherwise (RFC 9110, RFC 6585): the server is busy, or has a fault.
PASSING_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})


def check(uri: str) -> None:
    """Raise `ValueError`, with a reason that repeats nothing secret of `uri`, unless it can be a source."""
    check_source(uri, limits.source_rules(SCHEMES))


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
            limits.source_time(),
            downloads.Session() as session,
            session.answer(uri, timeout=(CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS)) as response,
            destination.open("wb") as file,
        ):
            if response.status_code != requests.codes.ok:
                error_type = PassingError if response.status_code in PASSING_STATUSES else ExtractorError
                raise error_type(f"cannot read {shown}: the server answered {response.status_code} {response.reason}")
            transfer = limits.Transfer()
            for chunk in response.iter_content(CHUNK_BYTES):
                file.write(chunk)
                received_bytes += len(chunk)
                transfer.check(response.raw.tell(), received_bytes)
                progress.reached(received_bytes)
    except limits.DeniedError as error:
        raise ExtractorError(f"cannot read {shown}: {error}") from None
    except requests.Timeout:
        raise PassingError(f"cannot read {shown}: no answer in time") from None
    except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
        error_type = PassingError if _may_pass(error) else ExtractorError
        raise error_type(f"cannot read {shown}: {_reason(error)}") from error
    except requests.RequestException as error:
        raise ExtractorError(f"cannot read {shown}: {_reason(error)}") from error
    logger.info("%s: %s bytes received", shown, f"{received_bytes:,}")
    return destination


def _may_pass(error: requests.RequestException) -> bool:
    """Not where a certificate is wrong, or a name is known not to exist."""
    cause = _bottom_of(error)
    if isinstance(cause, socket.gaierror):
        return cause.errno == socket.EAI_AGAIN
    return not isinstance(error, requests.exceptions.SSLError)


def _reason(error: requests.RequestException) -> str:
    """What the system or the peer said."""
    cause = _bottom_of(error)
    return str(cause).splitlines()[0] if str(cause) else type(cause).__name__


def _bottom_of(error: BaseException) -> BaseException:
    """Of the chain of wrapped errors."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return error


def _open_below_folders(uri: str, _destination: Path) -> Path:
    shown = without_credentials(uri)
    try:
        path = limits.checked_path(Path(unquote(urlsplit(uri).path)), limits.source_rules(SCHEMES).folders)
    except (OSError, limits.DeniedError) as error:
        raise ExtractorError(f"cannot read {shown}: {error}") from None
    if not path.exists():
        raise ExtractorError(f"cannot read {shown}: No such file or directory")
    if not path.is_file():
        raise ExtractorError(f"cannot read {shown}: not a file")
    if not os.access(path, os.R_OK):
        raise ExtractorError(f"cannot read {shown}: permission denied")
    return path


_FETCHERS: dict[str, Callable[[str, Path], Path]] = {
    "http": _download,
    "https": _download,
    "file": _open_below_folders,
}

SCHEMES = tuple(_FETCHERS)
