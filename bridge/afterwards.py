"""What a thread does when the answer it works on has left: nobody waits for that."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class _ThisThread(threading.local):
    put_off: list[Callable[[], None]] | None = None  # None: it sends no answer, or leaves that to another


_this_thread = _ThisThread()


def afterwards(do: Callable[[], None]) -> None:
    """Call `do`, which raises nothing, once the answer has left; at once where this thread sends none."""
    if _this_thread.put_off is None:
        do()
    else:
        _this_thread.put_off.append(do)


@contextmanager
def answering() -> Iterator[None]:
    """An answer has left when this ends."""
    put_off: list[Callable[[], None]] = []
    _this_thread.put_off = put_off
    try:
        yield
    finally:
        _this_thread.put_off = None
        for do in put_off:
            do()
