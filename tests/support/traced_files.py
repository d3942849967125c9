"""Every file that this process opens, as the kernel sees it (fanotify(7)): what libraries open in C is in it, too."""

import ctypes
import os
import select
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# linux/fanotify.h
_NONBLOCK, _CLOEXEC, _UNLIMITED_QUEUE = 0x2, 0x1, 0x10
_MARK_ADD, _MARK_MOUNT = 0x1, 0x10
_MODIFY, _OPEN = 0x2, 0x20
_EVENT = struct.Struct("=IBBHQii")
_AT_FDCWD = -100
# Their files are no one's data.
_PSEUDO = {
    "proc",
    "sysfs",
    "devtmpfs",
    "devpts",
    "cgroup",
    "cgroup2",
    "mqueue",
    "debugfs",
    "tracefs",
    "bpf",
    "configfs",
}


@dataclass(frozen=True, slots=True)
class Touched:
    """A file that was opened, or written to."""

    path: Path
    is_written: bool


class TracedFiles:
    """What this process has touched since it was asked last."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def take(self) -> set[Touched]:
        """All of it, each file once."""
        touched = set()
        while select.select([self._descriptor], [], [], 0)[0]:
            data = os.read(self._descriptor, 1 << 16)
            while data:
                length, _, _, _, mask, descriptor, pid = _EVENT.unpack_from(data)
                data = data[length:]
                path = Path(str(Path(f"/proc/self/fd/{descriptor}").readlink()).removesuffix(" (deleted)"))
                os.close(descriptor)
                if pid == os.getpid():
                    touched.add(Touched(path, bool(mask & _MODIFY)))
        return touched


@contextmanager
def tracing_files() -> Iterator[TracedFiles]:
    """Trace while the context lasts, on all mounts there are. Raises `PermissionError` where one is not root."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = _checked(libc.fanotify_init(_NONBLOCK | _CLOEXEC | _UNLIMITED_QUEUE, os.O_RDONLY))
    try:
        for point in _mount_points():
            mask = ctypes.c_uint64(_OPEN | _MODIFY)
            _checked(libc.fanotify_mark(descriptor, _MARK_ADD | _MARK_MOUNT, mask, _AT_FDCWD, os.fsencode(point)))
        yield TracedFiles(descriptor)
    finally:
        os.close(descriptor)


def _mount_points() -> Iterator[str]:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        if after.split()[0] not in _PSEUDO:
            point = before.split()[4].encode().decode("unicode_escape")
            if os.access(point, os.F_OK):
                yield point


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
