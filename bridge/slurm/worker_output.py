"""What a worker process writes to standard error becomes records of the service's log: libslurm speaks there.

The same words come from each worker, and again with each request that meets the same fault: they are told once a while.
"""

import logging
import os
import re
import time
from collections.abc import Callable
from multiprocessing.connection import Connection

log = logging.getLogger(__name__)

QUIET_SECONDS = 600.0  # for the same words; an outage of minutes is told once
REMEMBERED_MAX = 100  # different words; job ids and times make any number of them
_STDERR = 2
_PREFIX = re.compile(r"^(?:python[\d.]*: )?(?:(?:error|fatal): )?")  # "python3: error: "
_FAULT = re.compile(r"(?:python[\d.]*: )?(?:error|fatal): ")


def run_with_output(output: Connection, main: Callable[..., None], *arguments: object) -> None:
    """In the worker: `main(*arguments)`, with standard error at the other end of `output`."""
    os.dup2(output.fileno(), _STDERR)
    output.close()
    main(*arguments)


class WorkerOutput:
    """Logs what the workers of a pool write. For many threads: at worst two of them tell the same."""

    def __init__(self, now_seconds: Callable[[], float] = time.monotonic) -> None:
        self._now_seconds = now_seconds
        self._told_at_seconds: dict[str, float] = {}

    def follow(self, output: Connection) -> str:
        """Log each line until the worker has ended, or closed its end. Returns the last line's words."""
        words = ""
        with os.fdopen(os.dup(output.fileno()), errors="replace") as lines:
            for line in lines:
                words = self._tell(line.strip()) or words
        return words

    def _tell(self, line: str) -> str:
        """Log a line, unless that was done a while ago. Returns its words without libslurm's own prefix."""
        words = _PREFIX.sub("", line, count=1)
        if words and self._is_new(words):
            level = logging.WARNING if _FAULT.match(line) else logging.INFO
            log.log(level, "a worker process says", extra={"words": words})
        return words

    def _is_new(self, words: str) -> bool:
        now_seconds = self._now_seconds()
        told_at_seconds = self._told_at_seconds.get(words)
        if told_at_seconds is not None and now_seconds - told_at_seconds < QUIET_SECONDS:
            return False
        if len(self._told_at_seconds) >= REMEMBERED_MAX:
            self._told_at_seconds.clear()
        self._told_at_seconds[words] = now_seconds
        return True
