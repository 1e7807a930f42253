"""What civility says on the standard error: of several processes one speaks for all."""

import os
import sys
import time

from civility.errors import UserError
from civility.plain_text import printable
from civility.processes import processes_of

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
    sys.stderr.write(printable(line) + "\n")


def say_error(error: UserError) -> None:
    """Print an error, its remedy indented below.

    Of the processes of one machine the first speaks for all, who find the same mistake. The launcher ends all when
    one has ended, so the others wait for it to speak; who is still there then has a mistake of its own to tell.
    """
    if not _is_first_here():
        time.sleep(_SECONDS_FOR_THE_FIRST_TO_SPEAK)
    say(f"error: {error.message}")
    if error.remedy:
        say("       " + error.remedy.replace("\n", "\n       "))
