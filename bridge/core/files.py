"""Small files that matter: noticed when they change, refused when others may use them, written whole or not at all."""

import fcntl
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, TypeVar

LOCK_POLL_SECONDS = 0.02

_Content = TypeVar("_Content")
_Stamp = tuple[int, ...]


class WatchedFile(Generic[_Content]):
    """What a file holds, read again when the file has changed. Safe to use from many threads.

    `read_again` gets the content as it was and returns the new one; it decides what holds where the file is bad.
    """

    def __init__(self, path: Path, read: Callable[[], _Content], read_again: Callable[[_Content], _Content]) -> None:
        self._path = path
        self._read_again = read_again
        self._lock = threading.Lock()
        self._stamp = _stamp(path)  # before the content: a change after this is seen the next time
        self._content = read()

    def content(self) -> _Content:
        """What the file holds now, for the price of one stat(2) where it has not changed."""
        if _stamp(self._path) != self._stamp:
            with self._lock:
                stamp = _stamp(self._path)
                if stamp != self._stamp:
                    self._content = self._read_again(self._content)
                    self._stamp = stamp
        return self._content


def _stamp(path: Path) -> _Stamp | None:
    """Another one for a new file in its place, other bytes, another mode or owner; `None` where there is no file.

    The time of the inode's last change tells of another mode or owner, which that of the content does not.
    """
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def refuse_exposed(path: Path, status: os.stat_result) -> None:
    """Raise `ValueError` where others than the owner of `path`, whose status this is, may read or write it."""
    if status.st_mode & 0o077:
        raise ValueError(f"others may read or write {path}: chmod 600 {path}")


def create_file(path: Path, content: bytes, *, owned_like: Path | None = None) -> bool:
    """Make the file `path`, mode 0600, complete or not at all. Raises `OSError`.

    Returns whether this call made it: of several processes that try at the same time one does. Where the process is
    root's, the file gets the owner of `owned_like`.
    """
    with _file_beside(path, content, owned_like) as aside:
        try:
            os.link(aside, path)
        except FileExistsError:
            return False
    return True


def replace_file(path: Path, content: bytes) -> None:
    """Put a new file, mode 0600 and of the same owner, in the place of `path`. Raises `OSError`.

    Other processes see all of the old content or all of the new, also after a crash.
    """
    with _file_beside(path, content, path) as aside:
        aside.replace(path)


@contextmanager
def _file_beside(path: Path, content: bytes, owned_like: Path | None) -> Iterator[Path]:
    """A new file with `content`, on the disk, in the same folder as `path`; removed afterwards where it is left."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # 0600
    aside = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if owned_like is not None and os.geteuid() == 0:  # no other user may give files away
                status = owned_like.stat()
                os.fchown(descriptor, status.st_uid, status.st_gid)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        yield aside
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def locked(path: Path, timeout_seconds: float) -> Iterator[None]:
    """Hold the lock of the file `path` (flock(2)), also while `replace_file` puts another file in its place.

    The kernel releases it when the process ends, however it ends. Raises `TimeoutError` where another process or
    thread has held it for all of this time, another `OSError` where the file cannot be opened for writing.
    """
    give_up_at = time.monotonic() + timeout_seconds
    while True:
        with path.open("r+b") as file:
            _lock(file.fileno(), give_up_at)
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                yield
                return
        # It was replaced while we waited: the lock is that of the new file.


def _lock(descriptor: int, give_up_at: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > give_up_at:
                raise TimeoutError("the lock of the file is held") from None
            time.sleep(LOCK_POLL_SECONDS)
        else:
            return
