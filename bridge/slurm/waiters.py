"""Those who wait for news of a job."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class Waiters:
    """An event for each of them. Safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._events: dict[str, list[threading.Event]] = {}  # by the job that they wait for

    @property
    def is_empty(self) -> bool:
        """Whether nobody waits."""
        return not self._events

    @contextmanager
    def waiting_for(self, job_id: str) -> Iterator[threading.Event]:
        """Gives the event that is set when there is news of the job."""
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

    def tell(self, job_ids: Iterable[str]) -> None:
        """There is news of these jobs."""
        with self._lock:
            for job_id in job_ids:
                for event in self._events.get(job_id, ()):
                    event.set()

    def tell_all(self) -> None:
        """Nobody needs to wait any more."""
        with self._lock:
            for events in self._events.values():
                for event in events:
                    event.set()
