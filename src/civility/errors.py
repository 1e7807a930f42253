"""UserError: a mistake that the user can mend. Knows nothing of the rest of the package."""

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


def closest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word most like ``word``, or None if none is."""
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return found[0] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``' (did you mean X?)'`` for the known word closest to ``word``, or an empty string."""
    found = closest(word, known)
    return f" (did you mean {found}?)" if found else ""
