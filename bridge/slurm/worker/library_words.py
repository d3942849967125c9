"""What libslurm writes to standard error while a call runs.

A job_submit plugin's words for the user (`log_user` in Lua) come with a refusal, but libslurm gives them to its log
only, and the log to standard error; the call itself returns no more than a number.
"""

import os
import re
from types import TracebackType

from bridge.slurm.errors import SLURM_ERROR
from bridge.slurm.messages import Failure

WORDS_MAX = 1000  # characters of an answer; a plugin may say anything
_STDERR = 2
_PREFIX = re.compile(r"^(?:[^:\s]+: )?(?:error|fatal): ", re.MULTILINE)  # "python3: error: "
_UNPRINTABLE = re.compile(r"[^\S ]+|[\x00-\x1f\x7f]+")


class LibraryWords:
    """Enter it around a call. For one thread."""

    def __init__(self) -> None:
        self._stderr = os.dup(_STDERR)
        self._kept = os.memfd_create("libslurm")

    def __enter__(self) -> None:
        os.dup2(self._kept, _STDERR)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.dup2(self._stderr, _STDERR)

    def take(self) -> str:
        """What was written since the last time, in one line and without libslurm's own prefix; often nothing.

        All of it goes to standard error now.
        """
        size = os.lseek(self._kept, 0, os.SEEK_CUR)
        if not size:
            return ""
        text = os.pread(self._kept, size, 0)
        os.lseek(self._kept, 0, os.SEEK_SET)
        os.ftruncate(self._kept, 0)
        os.write(self._stderr, text)
        words = _PREFIX.sub("", text.decode(errors="replace"))
        return _UNPRINTABLE.sub(" ", words).strip()[:WORDS_MAX]


def refusal(code: int, message: str, words: str) -> Failure:
    """Slurm's number, and its general words or better ones: a plugin's own."""
    if not words:
        return Failure(code, message)
    return Failure(code, words if code == SLURM_ERROR else f"{message}: {words}")
