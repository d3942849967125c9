"""A few child processes that talk to Slurm, each answering one request at a time.

`Request` in, `Reply` out, always by a deadline: a worker that keeps its caller waiting is killed. A worker that
hangs or dies costs the one request it had; another takes its place in the background.
"""

import logging
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

from bridge.core.deadline import Deadline
from bridge.core.errors import BridgeError, ControllerUnreachableError, OverloadedError
from bridge.core.process import use_all_cpus
from bridge.slurm.client.start_gate import StartGate
from bridge.slurm.errors import WorkerLostError, WorkerUnavailableError
from bridge.slurm.message_format import Reply, Request
from bridge.slurm.message_socket import MessageSocket
from bridge.slurm.messages import Failure
from bridge.slurm.worker_output import WorkerOutput, run_with_output

log = logging.getLogger(__name__)

START_TIMEOUT_SECONDS = 20.0  # importing pyslurm takes 0.2 s; a node that swaps may need long


@dataclass(frozen=True, slots=True, eq=False)
class Worker:
    """One child process, the way to it, and what it writes to standard error."""

    process: SpawnProcess
    line: MessageSocket
    output: Connection


class WorkerPool:
    """`size` workers; a worker runs `main(line, *arguments)`.

    How many callers may wait for a free one is for `bridge.core.concurrency_limit` to say.
    """

    def __init__(
        self, main: Callable[..., None], arguments: tuple[str | None, ...], gate: StartGate, *, size: int
    ) -> None:
        self._main = main
        self._arguments = arguments
        self._gate = gate
        self.size = size
        self._output = WorkerOutput()
        self._busy: list[Worker] = []
        self._idle: list[Worker] = []  # a stack: the worker used last has the warmest caches
        self._changed = threading.Condition()
        self._is_closed = False
        self._is_unanswered = False  # the last request that ended was given up without an answer
        self.restarts = 0  # how many workers have been replaced
        self.start_failure: str | None = None  # why a worker could not be started, the last time that was tried

    def begin(self) -> None:
        """Start all workers, and leave it to `call` to wait for one."""
        for _ in range(self.size):
            threading.Thread(target=self._keep_one, daemon=True).start()

    def start(self) -> None:
        """Start all workers at once and wait until each is ready.

        Raises `WorkerUnavailableError`, with the reason, where one cannot start.
        """
        self.begin()
        with self._changed:
            self._changed.wait_for(lambda: self.start_failure or len(self._idle) == self.size)
            if self.start_failure is None:
                return
        self.close()
        raise WorkerUnavailableError(self.start_failure)

    @property
    def alive(self) -> int:
        """How many workers are ready or busy; the rest are being replaced."""
        with self._changed:
            return len(self._busy) + len(self._idle)

    def call(self, request: Request, deadline: Deadline) -> Reply:
        """Let a worker handle `request`.

        Raises `OverloadedError` where no worker came free by `deadline`, or `ControllerUnreachableError` if that is
        since Slurm was silent: nothing was sent. Raises `WorkerLostError` where the worker died or did not answer by
        then: whether Slurm acted on the request is unknown.
        """
        while True:
            worker = self._acquire(deadline)
            try:
                worker.line.send(request)
            except OSError:  # it had died while it was idle, so nobody has got the request
                self._discard(worker)
                continue
            except BaseException:
                self._discard(worker)
                raise
            return self._answer(worker, deadline)

    def close(self) -> None:
        """End every worker at once; the caller of a busy one gets `WorkerLostError`."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
            workers = self._busy + self._idle
        for worker in workers:
            worker.process.kill()
        for worker in workers:
            worker.process.join()

    def _acquire(self, deadline: Deadline) -> Worker:
        with self._changed:
            if not self._idle:
                self._changed.wait_for(lambda: self._idle or self._is_closed, deadline.remaining_seconds)
            if self._is_closed:
                raise OverloadedError("The bridge is stopping. Send this request again.")
            if not self._idle or not deadline.remaining_seconds:  # sent in the last moment it would get no answer
                self._changed.notify()  # the worker that this caller may have been woken for is another's
                raise self._not_sent()
            worker = self._idle.pop()
            self._busy.append(worker)
            return worker

    def _not_sent(self) -> BridgeError:
        """Why no worker came free."""
        if self._is_unanswered and self.start_failure is None:
            return ControllerUnreachableError(
                "Nothing was sent, since Slurm did not answer a request before. Send this request again later."
            )
        reason = self.start_failure or "Slurm was busy with other requests until the deadline"
        return OverloadedError(f"{reason}. Send this request again later.")

    def _answer(self, worker: Worker, deadline: Deadline) -> Reply:
        reply = None
        try:
            reply = worker.line.receive_reply(deadline.remaining_seconds)
        except TimeoutError:
            self._is_unanswered = True
            raise WorkerLostError("Slurm did not answer in time") from None
        except (OSError, EOFError):
            raise WorkerLostError("The process that talks to Slurm died") from None
        finally:
            if reply is None:
                self._discard(worker)
        self._is_unanswered = False
        self._release(worker)
        return reply

    def _release(self, worker: Worker) -> None:
        with self._changed:
            self._busy.remove(worker)
            self._idle.append(worker)
            self._changed.notify()

    def _discard(self, worker: Worker) -> None:
        """End a busy worker; `_keep_one` replaces it."""
        worker.process.kill()
        with self._changed:
            self._busy.remove(worker)
        worker.line.close()

    def _keep_one(self) -> None:
        """Bring a worker up, and another whenever it has ended, until the pool is closed."""
        use_all_cpus()  # for the workers
        while not self._is_closed:
            worker = self._gate.pass_through(self._spawn)
            if isinstance(worker, Worker):
                self._keep(worker)
            elif not self._is_closed:
                log.error("worker does not start", extra={"reason": worker})
                with self._changed:
                    self.start_failure = worker
                    self._changed.notify_all()

    def _keep(self, worker: Worker) -> None:
        with self._changed:
            if self._is_closed:
                worker.process.kill()
            self.start_failure = None
            self._idle.append(worker)
            self._changed.notify_all()  # callers, and `start`
        self._output.follow(worker.output)
        worker.process.join()
        worker.output.close()
        with self._changed:
            if worker in self._idle:  # a busy one's caller tidies up
                self._idle.remove(worker)
                worker.line.close()
        if not self._is_closed:
            with self._changed:
                self.restarts += 1
            exit_status = worker.process.exitcode
            log.warning("worker replaced", extra={"worker_pid": worker.process.pid, "exit": exit_status})

    def _spawn(self) -> Worker | str:
        """A worker that is ready, or the reason why there is none."""
        if self._is_closed:
            return "the bridge is stopping"
        context = get_context("spawn")
        with ExitStack() as ours_if_it_fails, ExitStack() as theirs_at_the_end:
            try:
                ours, theirs = MessageSocket.pair()
                ours_if_it_fails.callback(ours.close)
                theirs_at_the_end.callback(theirs.close)
                output, their_output = context.Pipe(duplex=False)
                ours_if_it_fails.callback(output.close)
                theirs_at_the_end.callback(their_output.close)
                arguments = (their_output, self._main, theirs, *self._arguments)
                process = context.Process(target=run_with_output, args=arguments, daemon=True)
                process.start()
            except OSError as error:
                return f"no further process can be started: {error}"
            ours_if_it_fails.pop_all()
        reason = None
        try:
            first_word = ours.receive_reply(START_TIMEOUT_SECONDS)
            if not isinstance(first_word, Failure):
                return Worker(process, ours, output)
            reason = first_word.message
        except TimeoutError:
            reason = f"a worker process was not ready after {START_TIMEOUT_SECONDS:g} s: is the machine overloaded?"
        except (EOFError, OSError):
            pass
        process.join(1.0)  # it is ending by itself: its own exit status tells more than SIGKILL's
        process.kill()
        process.join()
        ours.close()
        words = self._output.follow(output)
        output.close()
        return reason or (
            f"libslurm ended the worker process (exit status {process.exitcode}: {words or 'without a word'}). "
            "Check that slurm_conf_path names the cluster's slurm.conf and that pyslurm matches the cluster's release."
        )
