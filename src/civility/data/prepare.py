"""The comments of a run: read, split or given apart, and checked for what would make training pointless."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from civility.data.dataset import POSITIVE_FROM, Dataset
from civility.data.readers import Columns, read_dataset
from civility.data.splits import split
from civility.errors import UserError


@dataclass(frozen=True)
class PreparedData:
    """Training and validation comments on one label axis, and what a person should know of them.

    Parameters
    ----------
    training, validation : disjoint; every label has a positive in training
    files, validation_files : as read; ``validation_files`` equals ``files`` for a split
    notes : warnings, a sentence each
    """

    training: Dataset
    validation: Dataset
    files: tuple[str, ...]
    validation_files: tuple[str, ...]
    notes: tuple[str, ...]


def prepare(files: Sequence[str], validation: float | Sequence[str], columns: Columns, seed: int) -> PreparedData:
    """Read the comments of a run.

    Parameters
    ----------
    files : training files
    validation : share of the comments to keep for validation, or the files that are it
    columns : which columns hold what
    seed : of the split

    Raises
    ------
    UserError : anything wrong with a file; a label that training could not learn; nothing to measure
    """
    if not files:
        raise UserError("no training data", "give --data FILE, or data.files in the recipe")
    reading = read_dataset(files, columns)
    notes = list(reading.notes)
    if isinstance(validation, int | float):
        rows, held_out = split(reading.dataset, float(validation), seed)
        training, validating = reading.dataset.select(rows), reading.dataset.select(held_out)
        validation_files = reading.files
    else:
        training = reading.dataset
        axis = replace(columns, labels=training.labels)
        other = read_dataset(validation, axis, require_all_labels=False)
        validating, validation_files = other.dataset, other.files
        notes += other.notes
    _check_training(training)
    _check_validation(validating)
    return PreparedData(training, validating, reading.files, validation_files, tuple(notes))


def _counts(targets: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the number of positive and of known targets of each label."""
    return (targets >= POSITIVE_FROM).sum(axis=0), (~np.isnan(targets)).sum(axis=0)


def _check_training(training: Dataset) -> None:
    num_positive, num_known = _counts(training.targets)
    for label, positive, known in zip(training.labels, num_positive, num_known, strict=True):
        if not positive:
            raise UserError(
                f"{label} has no positive comment in training (0 of {known:,} known): it cannot be learned",
                "add comments that have it, or leave the label out (data.labels)",
            )


def _check_validation(validation: Dataset) -> None:
    num_positive, num_known = _counts(validation.targets)
    if not np.any((num_positive > 0) & (num_positive < num_known)):
        raise UserError(
            "no label has both a positive and a negative comment in validation: nothing can be measured",
            "give a larger validation share or another validation file (--validation)",
        )
