"""SIGTERM and SIGHUP, taken as Ctrl-C is: an exception, so that what is half written is removed on the way out."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

_SECONDS_OF_ONE_WISH = 1.0
"""A shell and the kernel may both pass on that a terminal has closed: the second must not cut short the way out."""


class Ended(KeyboardInterrupt):
    """Asked by a signal to end at once.

    Parameters
    ----------
    number : of the signal
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextlib.contextmanager
def ends_in_order() -> Iterator[None]:
    """Raise `Ended` at SIGTERM and SIGHUP, unless they are ignored, as by ``nohup``, or somebody else listens.

    Training and sweeps, which save first, listen for both themselves for as long as they run.
    """
    process, last = os.getpid(), -_SECONDS_OF_ONE_WISH

    def end(number: int, frame: FrameType | None) -> None:
        nonlocal last
        if os.getpid() != process:  # a fork, which has nothing to put in order
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        before, last = last, time.monotonic()
        if last - before >= _SECONDS_OF_ONE_WISH:
            raise Ended(number)

    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]  # Windows has one
    is_main = threading.current_thread() is threading.main_thread()  # others may set no handler
    ours = [number for number in numbers if is_main and signal.getsignal(number) == signal.SIG_DFL]
    for number in ours:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)
