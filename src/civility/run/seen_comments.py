"""Which comments a run has seen, in training or validation. Numbers on these are too good."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from civility.arrays import Bools
from civility.data.dataset import text_digests
from civility.data.prepare import prepare
from civility.documents.audit_result import UnknownTraining
from civility.errors import UserError
from civility.run import RunDirectory


@dataclass(frozen=True, eq=False)
class Seen:
    """Which of N comments a run has seen; texts that differ in Unicode form, case or spaces only count as equal.

    It was trained on some; others chose its best epoch: all False if only the validation files have changed.
    """

    trained: Bools
    validated: Bools


def seen_by(target: str, texts: Sequence[str]) -> Seen | UnknownTraining:
    """Return which of N comments a run has seen, or why that is unknown.

    The run's comments are read and split again by its recipe, and compared with the digests that it has recorded.
    """
    run = RunDirectory.find(Path(target))
    if run is None:
        return UnknownTraining(code="not_a_run")
    try:
        recorded = run.environment().data
        if not recorded.training.digest:
            return UnknownTraining(code="combined")
        data = prepare(run.load_recipe().wanted)
        trained_unchanged = recorded.training.digest == data.training.digest
        validated_unchanged = recorded.validation.digest == data.validation.digest
    except UserError as error:
        return UnknownTraining(code="unreadable", text=error.message)
    if not trained_unchanged:
        return UnknownTraining(code="files_changed")
    own = text_digests(texts)
    trained = np.isin(own, np.unique(text_digests(data.training.texts)))
    validated = np.isin(own, np.unique(text_digests(data.validation.texts if validated_unchanged else ())))
    return Seen(trained, validated)
