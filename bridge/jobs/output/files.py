"""The files that jobs print into. A file's name tells whether it is the bridge's, so Slurm is never asked.

An id may come again, after MaxJobId or a controller's crash: a file that was written before its job was submitted is of
an earlier job.
"""

import logging
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bridge.core.errors import NotFoundError
from bridge.jobs.output.masking import Masker
from bridge.jobs.requests.kinds import KIND_NAMES
from bridge.slurm.job_ids import is_job_id

log = logging.getLogger(__name__)

CLOCKS_DIFFER_SECONDS = 2.0  # at most: the controller's, which says when a job was submitted, and the file server's

# No links, and nothing that waits, as opening a FIFO does for a process that writes to it.
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


class JobOutputs:
    """The outputs in `folder`, read with credentials masked."""

    def __init__(self, folder: Path, masker: Masker) -> None:
        self._folder = folder
        self._masker = masker

    def open(self, job_id: str, suffix: str, submitted_at: int | None) -> OutputFile:
        """The file with `suffix` (`out` or `err`) of the job with this id; the caller closes it.

        `submitted_at` is when the job was, in seconds since the epoch; `None` where the bridge does not know the job:
        then it is the newest file of this id. Raises `NotFoundError` if there is none.
        """
        files = _candidates(self._folder, job_id, suffix) if is_job_id(job_id) else []
        if submitted_at is not None:
            files = _written_since(submitted_at - CLOCKS_DIFFER_SECONDS, files)
        if not files:
            raise NotFoundError(
                "There is no such output: the job has not started yet, is not one of this service, or its output was "
                "removed."
            )
        *others, newest = sorted(files, key=lambda file: file.modified_at_ns)
        for file in others:
            file.close()
        return newest

    def chunks(self, output: OutputFile, part: range) -> Iterator[bytes]:
        """These bytes of `output`, masked, in pieces."""
        return self._masker.chunks(output.read, output.size_bytes, part)


def _written_since(moment: float, files: list[OutputFile]) -> list[OutputFile]:
    """Those files; the others are closed."""
    earlier = [file for file in files if file.modified_at_ns < moment * 1e9]
    for file in earlier:
        file.close()
    return [file for file in files if file not in earlier]


def _candidates(folder: Path, job_id: str, suffix: str) -> list[OutputFile]:
    try:
        folder_descriptor = os.open(folder, _FOLDER_FLAGS)
    except OSError as error:
        raise NotFoundError(
            "The machine of the bridge cannot open the folder with the jobs' output "
            f"({error.strerror}): the operator has to mount `output_folder` there."
        ) from None
    try:
        files = [_open(f"{kind}-{job_id}.{suffix}", folder_descriptor) for kind in KIND_NAMES]
    finally:
        os.close(folder_descriptor)
    return [file for file in files if file]


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
