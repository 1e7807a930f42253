"""SIGTERM and SIGHUP raise an exception, as Ctrl-C does, so that half-written files are removed on the way out."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

_SECONDS_TO_IGNORE_A_REPEAT = 1.0
"""When a terminal closes, the shell and the kernel may both send SIGHUP: the second must not stop the cleaning up."""


class Ended(KeyboardInterrupt):
    """A signal asked the command to end at once.

    Parameters
    ----------
    number : of the signal
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextlib.contextmanager
def raise_on_exit_signals() -> Iterator[None]:
    """Raise `Ended` on SIGTERM and SIGHUP, unless a signal is ignored (as by ``nohup``) or already has a handler.

    Training and sweeps save first: they install their own handlers while they run.
    """
    process, last = os.getpid(), -_SECONDS_TO_IGNORE_A_REPEAT

    def end(number: int, frame: FrameType | None) -> None:
        nonlocal last
        if os.getpid() != process:  # a forked child has nothing to clean up
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        before, last = last, time.monotonic()
        if last - before >= _SECONDS_TO_IGNORE_A_REPEAT:
            raise Ended(number)

    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]  # Windows has one
    is_main = threading.current_thread() is threading.main_thread()  # only the main thread may set handlers
    ours = [number for number in numbers if is_main and signal.getsignal(number) == signal.SIG_DFL]
    for number in ours:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)
