"""Threads that wait for a job to change."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class ChangeWaiters:
    """An event for each waiting thread. Safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._events: dict[str, list[threading.Event]] = {}  # by the job that they wait for

    @property
    def is_empty(self) -> bool:
        """Whether no thread waits."""
        return not self._events

    @property
    def count(self) -> int:
        """How many threads wait."""
        with self._lock:
            return sum(map(len, self._events.values()))

    @contextmanager
    def waiting_for(self, job_id: str) -> Iterator[threading.Event]:
        """Gives the event that is set when the job changes."""
        event = threading.Event()
        with self._lock:
            self._events.setdefault(job_id, []).append(event)
        try:
            yield event
        finally:
            with self._lock:
                self._events[job_id].remove(event)
                if not self._events[job_id]:
                    del self._events[job_id]

    def notify(self, job_ids: Iterable[str]) -> None:
        """These jobs have changed."""
        with self._lock:
            for job_id in job_ids:
                for event in self._events.get(job_id, ()):
                    event.set()

    def notify_all_waiting(self) -> None:
        """Let all threads go on."""
        with self._lock:
            for events in self._events.values():
                for event in events:
                    event.set()
