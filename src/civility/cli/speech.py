"""What civility says on the standard error: of several processes one speaks for all."""

import os
import sys
import time

from civility.errors import UserError
from civility.plain_text import printable

_SECONDS_FOR_THE_FIRST_TO_SPEAK = 10.0


def is_first_process() -> bool:
    """Whether this process speaks for all: `torchrun` and `accelerate launch` tell each its rank."""
    return os.environ.get("RANK", "0") == "0"


def say(line: str) -> None:
    """Print a line, or several, on the standard error; names and messages in it may be anybody's."""
    sys.stderr.write(printable(line) + "\n")


def say_error(error: UserError) -> None:
    """Print an error, its remedy indented below.

    Of the processes of one machine the first speaks for all, who find the same mistake. The launcher ends all when
    one has ended, so the others wait for it to speak; who is still there then has a mistake of its own to tell.
    """
    if os.environ.get("LOCAL_RANK", "0") != "0":
        time.sleep(_SECONDS_FOR_THE_FIRST_TO_SPEAK)
    say(f"error: {error.message}")
    if error.remedy:
        say("       " + error.remedy.replace("\n", "\n       "))
