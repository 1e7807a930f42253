"""What ends a command before its time: a mistake that the user can mend, or a signal. Knows nothing of the rest."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A mistake that the user can mend: told in two sentences, without a traceback.

    Parameters
    ----------
    message : what was found, where, and what was expected
    remedy : what to do about it; may be empty

    The command line prints ``error: MESSAGE``, the remedy indented below it, and exits with 2.
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message if not remedy else f"{message}\n{remedy}")
        self.message = message
        self.remedy = remedy


class Interrupted(Exception):
    """Asked by a signal to stop, and stopped in good order.

    Parameters
    ----------
    message : where it stopped, and how to go on
    signal_number : 2 for Ctrl-C, 15 for SIGTERM

    The command line prints the message, and exits as shells expect of a signal: with 128 and its number.
    """

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.message = message
        self.signal_number = signal_number


def closest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word most like ``word``, or None if none is."""
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return found[0] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``' (did you mean X?)'`` for the known word closest to ``word``, or an empty string."""
    found = closest(word, known)
    return f" (did you mean {found}?)" if found else ""
