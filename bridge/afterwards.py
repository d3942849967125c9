"""What a thread does when the answer it works on has left: nobody waits for that."""

import threading
from collections.abc import Callable


class _ThisThread(threading.local):
    put_off: list[Callable[[], None]] | None = None  # None: it sends no answer, or leaves that to another


_this_thread = _ThisThread()


def afterwards(do: Callable[[], None]) -> None:
    """Call `do`, which raises nothing, once the answer has left; at once where this thread sends none."""
    if _this_thread.put_off is None:
        do()
    else:
        _this_thread.put_off.append(do)


class Answering:
    """A context in which a thread works on an answer, and which it leaves when that has left."""

    def __enter__(self) -> None:
        _this_thread.put_off = []

    def __exit__(self, *_: object) -> None:
        put_off, _this_thread.put_off = _this_thread.put_off, None
        for do in put_off or ():
            do()
