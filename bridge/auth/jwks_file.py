"""Public keys in a file."""

import logging
import threading
from pathlib import Path

from bridge.auth.jwks import JwksError, VerificationKey, matching_key, read_jwks
from bridge.deadline import Deadline

log = logging.getLogger(__name__)

Stamp = tuple[int, ...]  # changes with the file


class FileKeys:
    """The keys of a JWKS file, which is read again when it has changed.

    A file that cannot be used any more leaves those that are known. Raises `JwksError` where that is so at the start.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._stamp = _stamp(path)
        self._keys = _read(path)

    def find(self, key_id: str | None, algorithm: str, _deadline: Deadline) -> VerificationKey | None:
        """See `KeySource`."""
        if _stamp(self._path) != self._stamp:
            self._read_again()
        return matching_key(self._keys, key_id, algorithm)

    def _read_again(self) -> None:
        with self._lock:
            stamp = _stamp(self._path)  # before the content: a change after this is seen the next time
            if stamp == self._stamp:
                return
            self._stamp = stamp
            try:
                self._keys = _read(self._path)
            except JwksError as error:
                log.error("going on with the keys known before", extra={"reason": str(error)})  # noqa: TRY400
            else:
                log.info("read keys", extra={"path": str(self._path), "keys": len(self._keys)})


def _read(path: Path) -> tuple[VerificationKey, ...]:
    try:
        return read_jwks(path.read_bytes())
    except OSError as error:
        raise JwksError(f"cannot read {path}: {error.strerror}") from None
    except JwksError as error:
        raise JwksError(f"{path} {error}") from None


def _stamp(path: Path) -> Stamp | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
