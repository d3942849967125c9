"""A few child processes that talk to Slurm, each answering one request at a time.

`Request` in, `Reply` out, always by a deadline: a worker that keeps its caller waiting is killed. A worker that
hangs or dies costs the one request it had; another takes its place in the background.
"""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

from bridge.deadline import Deadline
from bridge.errors import OverloadedError
from bridge.slurm.errors import WorkerLostError, WorkerUnavailableError
from bridge.slurm.messages import Failure, Ready, Reply, Request

log = logging.getLogger(__name__)

START_TIMEOUT_SECONDS = 20.0  # importing pyslurm takes 0.2 s; a node that swaps may need long
RESTART_PAUSE_SECONDS = 1.0  # between two tries to start a worker that will not start


@dataclass(frozen=True, slots=True)
class Worker:
    """One child process and the way to it."""

    process: SpawnProcess
    connection: Connection
    user_id: int

    def has_ended(self) -> bool:
        """Whether an idle worker is gone: one that lives never speaks first, so a readable pipe is a closed one."""
        return self.connection.poll(0)

    def kill(self) -> None:
        """End it at once, whatever it is doing."""
        self.process.kill()
        self.process.join()
        self.connection.close()


class WorkerPool:
    """`size` workers; a worker runs `main(connection, *arguments)`.

    How many callers may wait for a free one is for `bridge.admission` to say.
    """

    def __init__(self, main: Callable[..., None], arguments: tuple[str | None, ...], *, size: int) -> None:
        self._main = main
        self._arguments = arguments
        self.size = size
        self._busy: list[Worker] = []
        self._idle: list[Worker] = []  # a stack: the worker used last has the warmest caches
        self._changed = threading.Condition()
        self._is_closed = False
        self._start_failure: str | None = None  # why a worker could not be started

    def start(self) -> int:
        """Start all workers at once and wait until each is ready; returns the uid that their jobs will belong to.

        Raises `WorkerUnavailableError`, with the reason, where one cannot start.
        """
        for _ in range(self.size):
            threading.Thread(target=self._start_one, args=(False,), daemon=True).start()
        with self._changed:
            self._changed.wait_for(lambda: self._start_failure or len(self._idle) == self.size)
            if self._start_failure is None:
                return self._idle[0].user_id
        self.close()
        raise WorkerUnavailableError(self._start_failure)

    @property
    def alive(self) -> int:
        """How many workers are ready or busy; the rest are being replaced."""
        with self._changed:
            return len(self._busy) + sum(not worker.has_ended() for worker in self._idle)

    def call(self, request: Request, deadline: Deadline) -> Reply:
        """Let a worker handle `request`.

        Raises `OverloadedError` where no worker came free by `deadline` (nothing was sent), `WorkerLostError` where the
        worker died or did not answer by then: whether Slurm acted on the request is then unknown.
        """
        worker = self._acquire(deadline)
        try:
            reply = _exchange(worker, request, deadline)
        except BaseException:
            self._replace(worker)
            raise
        self._release(worker)
        return reply

    def close(self) -> None:
        """End every worker at once; the caller of a busy one gets `WorkerLostError`."""
        with self._changed:
            self._is_closed = True
            idle, self._idle = self._idle, []
            busy = list(self._busy)
            self._changed.notify_all()
        for worker in busy:
            worker.process.kill()  # its caller notices, and tidies up
        for worker in idle:
            worker.kill()

    def _acquire(self, deadline: Deadline) -> Worker:
        with self._changed:
            while True:
                self._await_idle(deadline)
                worker = self._idle.pop()
                self._busy.append(worker)
                if not worker.has_ended():
                    return worker
                self._replace(worker)

    def _await_idle(self, deadline: Deadline) -> None:
        is_free = self._changed.wait_for(lambda: self._idle or self._is_closed, deadline.remaining_seconds)
        if not is_free or not deadline.remaining_seconds:  # sent in the last moment it would get no answer
            raise OverloadedError("Slurm was busy with other requests until the deadline. Send this one again.")
        if self._is_closed:
            raise OverloadedError("The bridge is stopping. Send this request again.")

    def _release(self, worker: Worker) -> None:
        with self._changed:
            self._busy.remove(worker)
            self._add_idle(worker)

    def _add_idle(self, worker: Worker) -> None:
        with self._changed:
            if not self._is_closed:
                self._idle.append(worker)
                self._changed.notify_all()
                return
        worker.kill()

    def _replace(self, worker: Worker) -> None:
        worker.kill()
        with self._changed:
            self._busy.remove(worker)
        log.warning("worker replaced", extra={"worker_pid": worker.process.pid, "exit": worker.process.exitcode})
        threading.Thread(target=self._start_one, args=(True,), daemon=True).start()

    def _start_one(self, retry: bool) -> None:
        """Bring one worker up; with `retry`, go on until it is up or the pool is closed."""
        while not self._is_closed:
            worker = self._spawn()
            if isinstance(worker, Worker):
                self._add_idle(worker)
                return
            if not self._is_closed:
                log.error("worker does not start", extra={"reason": worker})
            with self._changed:
                self._start_failure = worker
                self._changed.notify_all()
            if not retry:
                return
            time.sleep(RESTART_PAUSE_SECONDS)

    def _spawn(self) -> Worker | str:
        """A worker that is ready, or the reason why there is none."""
        context = get_context("spawn")
        try:
            ours, theirs = context.Pipe()
            with theirs:
                process = context.Process(target=self._main, args=(theirs, *self._arguments), daemon=True)
                process.start()
        except OSError as error:
            return f"no further process can be started: {error}"
        first_word: Ready | Failure | None = None
        with suppress(EOFError, OSError):
            if ours.poll(START_TIMEOUT_SECONDS):
                first_word = ours.recv()
        if isinstance(first_word, Ready):
            return Worker(process, ours, first_word.user_id)
        process.join(1.0)  # it is ending by itself: its own exit status tells more than SIGKILL's
        process.kill()
        process.join()
        ours.close()
        if isinstance(first_word, Failure):
            return first_word.message
        return (
            f"libslurm ended the worker process (exit status {process.exitcode}); its message stands above. "
            "Check that slurm_conf_path names the cluster's slurm.conf and that pyslurm matches the cluster's release."
        )


def _exchange(worker: Worker, request: Request, deadline: Deadline) -> Reply:
    try:
        worker.connection.send(request)
        if worker.connection.poll(deadline.remaining_seconds):
            reply: Reply = worker.connection.recv()
            return reply
    except (OSError, EOFError):
        raise WorkerLostError("The process that talks to Slurm died") from None
    raise WorkerLostError("Slurm did not answer in time")
