"""Which comments a run has seen, in training or validation. Numbers on these are too good."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from civility.arrays import Bools
from civility.data.dataset import text_digests
from civility.data.prepare import prepare
from civility.errors import UserError
from civility.run import RunDirectory


@dataclass(frozen=True, eq=False)
class Seen:
    """Which of N comments a run has seen; texts that differ in Unicode form, case or spaces only count as equal.

    It was trained on some; others chose its best epoch: all False if only the validation files have changed.
    """

    trained: Bools
    validated: Bools


def seen_by(target: str, texts: Sequence[str]) -> tuple[Seen | None, str]:
    """Return which of N comments a run has seen, or None and the reason why that is unknown.

    The run's comments are read and split again by its recipe, and compared with the digests that it has recorded.
    """
    run = RunDirectory.find(Path(target))
    if run is None:
        return None, f"{target} is not a run directory, so its training comments are unknown"
    try:
        recorded = run.environment().data
        if not recorded.training.digest:
            return None, f"{target} combines classifiers that were trained on different comments"
        data = prepare(run.load_recipe().wanted)
        trained_unchanged = recorded.training.digest == data.training.digest
        validated_unchanged = recorded.validation.digest == data.validation.digest
    except UserError as error:
        return None, f"the training comments of {target} cannot be read again ({error.message})"
    if not trained_unchanged:
        return None, f"the files that {target} was trained on have changed since"
    own = text_digests(texts)
    trained = np.isin(own, np.unique(text_digests(data.training.texts)))
    validated = np.isin(own, np.unique(text_digests(data.validation.texts if validated_unchanged else ())))
    return Seen(trained, validated), ""
