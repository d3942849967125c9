"""The files that jobs print into. Their names tell that they are the bridge's, so Slurm is never asked."""

import logging
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bridge.errors import NotFoundError
from bridge.job_ids import is_job_id
from bridge.settings import KINDS

log = logging.getLogger(__name__)

# No links, and nothing that waits, as opening a FIFO does for somebody who writes to it.
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FOLDER_FLAGS = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class OutputFile:
    """An open file. `size_bytes` is its size at that moment; a job that runs goes on writing."""

    descriptor: int
    size_bytes: int
    modified_at_ns: int

    def read(self, start: int, stop: int) -> bytes:
        """These bytes, or fewer where the file has become shorter or cannot be read any more."""
        try:
            return os.pread(self.descriptor, stop - start, start)
        except OSError as error:  # the answer has begun: all that is left is to end it early
            log.warning("output cannot be read", extra={"reason": str(error)})
            return b""

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self.descriptor)


class OutputStream:
    """The body of an answer: `chunks`, and what is held open for them. WSGI servers close it, whatever happens."""

    def __init__(self, chunks: Iterator[bytes], held: ExitStack) -> None:
        self._chunks = chunks
        self._held = held

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks

    def close(self) -> None:
        """Let go."""
        self._held.close()


def open_output(folder: Path, job_id: str, suffix: str) -> OutputFile:
    """The file with `suffix` (`out` or `err`) of the job with this id; the caller closes it.

    Of several, the newest: a controller that has crashed may give an id twice. Raises `NotFoundError` if there is none.
    """
    found: list[OutputFile] = []
    if is_job_id(job_id):
        try:
            folder_descriptor = os.open(folder, _FOLDER_FLAGS)
        except OSError as error:
            raise NotFoundError(
                "The machine of the bridge cannot open the folder with the jobs' output "
                f"({error.strerror}): the operator has to mount `output_folder` there."
            ) from None
        try:
            files = [_open(f"{kind}-{job_id}.{suffix}", folder_descriptor) for kind in KINDS]
        finally:
            os.close(folder_descriptor)
        found = sorted((file for file in files if file), key=lambda file: file.modified_at_ns)
    if not found:
        raise NotFoundError(
            "There is no such output: the job has not started yet, is none of this service, or its output was removed."
        )
    newest = found.pop()
    for file in found:
        file.close()
    return newest


def _open(name: str, folder_descriptor: int) -> OutputFile | None:
    """The file, if it is one that slurmd may have made: a regular one of the service's user.

    And one without a second name: a hard link could bring any file of that user, keys too, under the name of an output.
    """
    try:
        descriptor = os.open(name, _FILE_FLAGS, dir_fd=folder_descriptor)
    except OSError:
        return None
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid() and status.st_nlink == 1:
        return OutputFile(descriptor, status.st_size, status.st_mtime_ns)
    os.close(descriptor)
    return None
