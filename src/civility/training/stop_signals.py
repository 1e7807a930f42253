"""SIGTERM, SIGHUP and Ctrl-C ask training to stop after the step."""

import contextlib
import os
import signal
import sys
import time
from types import FrameType, TracebackType
from typing import Any

from civility.processes import processes_of

_NAMES = {"SIGINT": "Ctrl-C", "SIGTERM": "SIGTERM", "SIGHUP": "SIGHUP"}
_SECONDS_OF_ONE_KEYSTROKE = 1.0
"""Processes may get a Ctrl-C twice: from the terminal, and from their launcher."""


class StopSignals:
    """A context in which the first of these signals is noted, and a second Ctrl-C ends the process at once.

    SIGHUP stays ignored if it was, as under ``nohup``.

    Attributes
    ----------
    number : of the signal that was noted; 0 before
    """

    def __init__(self) -> None:
        self.number = 0
        self._noted = 0.0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "StopSignals":
        for name in _NAMES:
            number = getattr(signal, name, None)  # Windows has no SIGHUP
            if number is not None and (name != "SIGHUP" or signal.getsignal(number) != signal.SIG_IGN):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def wanted(self) -> bool:
        """Whether a signal has come."""
        return bool(self.number)

    def _note(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if not self.number:
            self.number, self._noted = number, now
            what = _NAMES[signal.Signals(number).name]
            again = "; Ctrl-C again stops at once" if number == signal.SIGINT else ""
            if processes_of(os.environ).rank == 0:
                _say(f"{what}: finishing the step and saving{again}")
        elif number == signal.SIGINT and now - self._noted > _SECONDS_OF_ONE_KEYSTROKE:
            _say("stopped at once; what was saved before is intact")
            # Not an exception: it would wait for the computation under way, which may take a minute.
            os._exit(128 + number)


def _say(line: str) -> None:
    # A plain write: the signal may come while the stream holds its lock.
    with contextlib.suppress(OSError, ValueError):  # a closed terminal is no reason to lose the step
        os.write(sys.stderr.fileno(), f"\n{line}\n".encode())
