"""Messages on standard error. Of several processes, only the first prints."""

import os
import shutil
import sys
import textwrap
import time
from typing import IO

from civility.errors import UserError
from civility.plain_text import bounded, printable
from civility.processes import processes_of

_STARTING = "starting …"
_SECONDS_FOR_THE_FIRST = 10.0
_is_starting = False


def is_first_process() -> bool:
    """Whether this process prints: the one of rank 0 under `torchrun` or `accelerate launch`."""
    return processes_of(os.environ).rank == 0


def print_message(text: str) -> None:
    """Print one or more lines on standard error, with control characters replaced: names in them may be anyone's."""
    clear_starting()
    try:
        sys.stderr.write(printable(text) + "\n")
        sys.stderr.flush()
    except BrokenPipeError:  # as in 2>&1 | head: the exit code says the rest
        discard(sys.stderr)


def show_starting() -> None:
    """Show on a terminal that the command has started: its imports take seconds."""
    global _is_starting
    if sys.stderr.isatty() and is_first_process():
        _is_starting = True
        sys.stderr.write(f"{_STARTING}\r")
        sys.stderr.flush()


def clear_starting() -> None:
    """Remove the sign of `show_starting` before anything else is printed."""
    global _is_starting
    if _is_starting:
        _is_starting = False
        sys.stderr.write(" " * len(_STARTING) + "\r")
        sys.stderr.flush()


def discard(stream: IO[str]) -> None:
    """Discard what is still written to standard output or standard error, which can no longer be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def print_error(error: UserError) -> None:
    """Print an error, and its remedy indented below.

    All processes of a machine find the same error, and the launcher ends all of them as soon as one exits. So every
    process but the first waits a while: if it is still alive then, its error is another one, and is printed too.
    """
    if not _is_first_on_this_machine():
        time.sleep(_SECONDS_FOR_THE_FIRST)
    print_message(_indented("error: ", bounded(error.message)))
    if error.remedy:
        print_message(_indented("       ", bounded(error.remedy, 800)))


def _is_first_on_this_machine() -> bool:
    try:
        return processes_of(os.environ).local_rank == 0
    except UserError:  # this is the error to print
        return True


def _indented(head: str, text: str) -> str:
    """Return the text after ``head``, its further lines aligned below; wrapped if it is for a terminal."""
    lines = text.split("\n")
    if sys.stderr.isatty():
        width = max(16, shutil.get_terminal_size().columns - len(head))
        lines = [part for line in lines for part in _wrapped(line, width)]
    return head + f"\n{' ' * len(head)}".join(lines)


def _wrapped(line: str, width: int) -> list[str]:
    indent = line[: len(line) - len(line.lstrip(" "))]
    return textwrap.wrap(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False) or [
        line
    ]
