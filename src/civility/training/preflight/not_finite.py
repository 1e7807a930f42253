"""What a person is told when a run breaks down: the step, its comments, and the checkpoint before it."""

from collections.abc import Sequence
from pathlib import Path

from civility.engine.progress import NotFinite
from civility.errors import UserError
from civility.plain_text import listed

_MOST_IDS = 8


def explain_not_finite(error: NotFinite, ids: Sequence[str], checkpoint: Path | None) -> UserError:
    """Return the error with the ids of the comments in place of row numbers, and where the last good state is.

    Parameters
    ----------
    error : from the training loop
    ids : (N,) of the training comments
    checkpoint : the newest complete one; None if there is none yet
    """
    named = listed([ids[row] for row in error.rows], _MOST_IDS)
    which = "its comments" if not error.narrowed else "the scores are not finite for the comments"
    kept = f"the last good checkpoint is {checkpoint}" if checkpoint else "no checkpoint had been written yet"
    return UserError("training.todo", f"{error.message}\n       {which}: {named}", remedy=f"{error.remedy}\n{kept}")
