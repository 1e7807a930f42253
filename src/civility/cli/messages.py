"""What civility says on the standard error: of several processes one speaks for all."""

import os
import shutil
import sys
import textwrap
import time

from civility.errors import UserError
from civility.plain_text import bounded, printable
from civility.processes import processes_of

_is_waiting = False
_SECONDS_FOR_THE_FIRST_TO_SPEAK = 10.0


def is_first_process() -> bool:
    """Whether this process speaks for all: `torchrun` and `accelerate launch` tell each its rank."""
    return processes_of(os.environ).rank == 0


def _is_first_here() -> bool:
    try:
        return processes_of(os.environ).local_rank == 0
    except UserError:  # that error is what is said now
        return True


def say(line: str) -> None:
    """Print a line, or several, on the standard error; names and messages in it may be anybody's."""
    clear_waiting()
    sys.stderr.write(printable(line) + "\n")


def show_waiting() -> None:
    """On a terminal, show that the command has begun: importing what it needs takes seconds."""
    global _is_waiting
    if sys.stderr.isatty() and is_first_process():
        _is_waiting = True
        sys.stderr.write("starting …\r")
        sys.stderr.flush()


def clear_waiting() -> None:
    """Take that away: something else is about to be shown."""
    global _is_waiting
    if _is_waiting:
        _is_waiting = False
        sys.stderr.write(" " * len("starting …") + "\r")
        sys.stderr.flush()


def say_error(error: UserError) -> None:
    """Print an error, its remedy indented below.

    Of the processes of one machine the first speaks for all, who find the same mistake. The launcher ends all when
    one has ended, so the others wait for it to speak; who is still there then has a mistake of its own to tell.
    """
    if not _is_first_here():
        time.sleep(_SECONDS_FOR_THE_FIRST_TO_SPEAK)
    say(_hanging("error: ", bounded(error.message)))
    if error.remedy:
        say(_hanging("       ", bounded(error.remedy, 800)))


def _hanging(head: str, text: str) -> str:
    """Return the text behind a head, its further lines below; wrapped where it is for a terminal."""
    lines = text.split("\n")
    if sys.stderr.isatty():
        width = max(16, shutil.get_terminal_size().columns - len(head))
        lines = [part for line in lines for part in _wrapped(line, width)]
    return head + f"\n{' ' * len(head)}".join(lines)


def _wrapped(line: str, width: int) -> list[str]:
    space = line[: len(line) - len(line.lstrip(" "))]
    return textwrap.wrap(line, width, subsequent_indent=space, break_long_words=False, break_on_hyphens=False) or [line]
