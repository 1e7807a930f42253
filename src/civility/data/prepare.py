"""The comments of a run: read, split or given apart, and checked for what would make training pointless."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from civility.arrays import Ints
from civility.data.dataset import Dataset, count_targets
from civility.data.dialects import Columns
from civility.data.duplicates import text_digests
from civility.data.reading import columns_present
from civility.data.reading.labelled import Reading, read_dataset
from civility.data.sources import expand
from civility.data.splits import fold_of_rows, split
from civility.errors import UserError
from civility.plain_text import count, is_formula, printable

_HOW_TO_WRITE_THEM = "'civility predict RUN --data FILE --out SCORES --keep-text' writes a file with both"


@dataclass(frozen=True)
class Wanted:
    """Which comments a run wants, and how they are parted into training and validation.

    Parameters
    ----------
    files : training files
    validation : share of the comments to keep for validation, or the files that are it; not used where there are folds
    columns : which columns hold what
    seed : of the split
    folds : parts that the comments are cut into; 0: none
    fold : the part that is validated on, from 1
    pseudo_labels : files of comments with scores as targets, for training alone
    """

    files: Sequence[str]
    validation: float | Sequence[str]
    columns: Columns
    seed: int
    folds: int = 0
    fold: int = 1
    pseudo_labels: Sequence[str] = ()


@dataclass(frozen=True)
class PreparedData:
    """Training and validation comments on one label axis, and what a person should know of them.

    Parameters
    ----------
    training, validation : disjoint; every label has a positive in training
    files, validation_files : as read; ``validation_files`` equals ``files`` for a split
    notes : warnings, a sentence each
    added : what training has beside the comments of its files, as ``1,000 with pseudo-labels``
    original : the training comments before augmentation; None where there was none
    held_out : (M,) rows of the validation comments among those read; None where files of their own hold them
    """

    training: Dataset
    validation: Dataset
    files: tuple[str, ...]
    validation_files: tuple[str, ...]
    notes: tuple[str, ...]
    added: tuple[str, ...] = ()
    original: Dataset | None = None
    held_out: Ints | None = None


def prepare_all(wanted: Sequence[Wanted]) -> tuple[PreparedData, ...]:
    """Read the comments of several runs, those with the same files once; the same ones are the same object.

    Raises
    ------
    UserError : as `prepare`
    """
    readings: dict[tuple[tuple[str, ...], Columns], Reading] = {}
    done: list[tuple[Wanted, PreparedData]] = []
    for one in wanted:
        before = next((data for other, data in done if other == one), None)
        if before is None:
            _check(one)
            key = (tuple(one.files), one.columns)
            if key not in readings:
                readings[key] = read_dataset(one.files, one.columns)
            before = _parted(one, readings[key])
        done.append((one, before))
    return tuple(data for _, data in done)


def prepare(wanted: Wanted) -> PreparedData:
    """Read the comments of a run.

    Raises
    ------
    UserError : anything wrong with a file; a label that training could not learn; nothing to measure; no such fold
    """
    _check(wanted)
    return _parted(wanted, read_dataset(wanted.files, wanted.columns))


def _check_labels(labels: Sequence[str]) -> None:
    """Refuse labels that could not stand in the header of a file of scores as they are."""
    for label in labels:
        if printable(label) != label:
            raise UserError(
                "data.todo", f"the label '{printable(label)}' has a control character", remedy="rename the label"
            )
        if is_formula(label):
            raise UserError(
                "data.todo",
                f"the label {label!r} begins with {label.lstrip()[0]!r}: a spreadsheet would take "
                "the column of its scores for a formula",
                remedy="rename the label",
            )


def _parted(wanted: Wanted, reading: Reading) -> PreparedData:
    _check_labels(reading.dataset.labels)
    notes, held_out = list(reading.notes), None
    added: tuple[str, ...] = ()
    if wanted.folds or isinstance(wanted.validation, int | float):
        rows, held_out = _rows_of(reading.dataset, wanted)
        training, validating = reading.dataset.select(rows), reading.dataset.select(held_out)
        validation_files = reading.files
        notes += _notes_on_folds(wanted)
    else:
        training = reading.dataset
        axis = replace(wanted.columns, labels=training.labels)
        other = read_dataset(wanted.validation, axis, require_all_labels=False)
        validating, validation_files = other.dataset, other.files
        notes += other.notes
    if wanted.pseudo_labels:
        before = len(training)
        training, more = _with_pseudo_labels(training, validating, wanted)
        notes += more
        added = (f"{len(training) - before:,} with pseudo-labels",)
    _check_training(training)
    _check_validation(validating)
    return PreparedData(
        training, validating, reading.files, validation_files, tuple(notes), added=added, held_out=held_out
    )


def _check(wanted: Wanted) -> None:
    """Raise a UserError for what is wrong before a file is read."""
    if not wanted.files:
        raise UserError("data.todo", "no training data", remedy="give --data FILE, or data.files in the recipe")
    if wanted.folds == 1:
        raise UserError(
            "data.todo",
            "data.folds = 1: one fold would leave nothing to train on",
            remedy="give 2 or more, or 0 for none",
        )
    if wanted.folds and not 1 <= wanted.fold <= wanted.folds:
        raise UserError(
            "data.todo",
            f"data.fold = {wanted.fold}: there are {wanted.folds} folds (data.folds)",
            remedy=f"give a fold from 1 to {wanted.folds}",
        )
    if not wanted.folds and wanted.fold != 1:
        raise UserError(
            "data.todo",
            f"data.fold = {wanted.fold}, and there are no folds",
            remedy="say how many there are: --set data.folds=5",
        )


def _rows_of(dataset: Dataset, wanted: Wanted) -> tuple[Ints, Ints]:
    """Return the rows for training and those for validation."""
    if not wanted.folds:
        assert isinstance(wanted.validation, int | float)
        return split(dataset, float(wanted.validation), wanted.seed)
    fold = fold_of_rows(dataset, wanted.folds, wanted.seed)
    return np.flatnonzero(fold != wanted.fold), np.flatnonzero(fold == wanted.fold)


def _notes_on_folds(wanted: Wanted) -> list[str]:
    if not wanted.folds or isinstance(wanted.validation, int | float):
        return []
    files = ", ".join(wanted.validation)
    return [f"data.validation ({files}) is not used: fold {wanted.fold} of {wanted.folds} is the validation"]


def _with_pseudo_labels(training: Dataset, validation: Dataset, wanted: Wanted) -> tuple[Dataset, list[str]]:
    """Return the training comments and, after them, those with pseudo-labels that validation has no equal of."""
    pseudo, notes = read_pseudo_labels(wanted.pseudo_labels, wanted.columns, training)
    kept = np.flatnonzero(~np.isin(text_digests(pseudo.texts), text_digests(validation.texts)))
    if len(kept) < len(pseudo):
        notes.append(
            f"{count(len(pseudo) - len(kept), 'comment')} with pseudo-labels left out: validation has equal ones, up "
            "to case and spaces"
        )
    return training.joined(pseudo.select(kept)), notes


def _check_training(training: Dataset) -> None:
    num_positive, num_known = count_targets(training.targets)
    for label, positive, known in zip(training.labels, num_positive, num_known, strict=True):
        if not positive:
            raise UserError(
                "data.todo",
                f"{label} has no positive comment in training (0 of {known:,} known): it cannot be learned",
                remedy="add comments that have it, or leave the label out (data.labels)",
            )


def _check_validation(validation: Dataset) -> None:
    num_positive, num_known = count_targets(validation.targets)
    if not np.any((num_positive > 0) & (num_positive < num_known)):
        raise UserError(
            "data.todo",
            "no label has both a positive and a negative comment in validation: nothing can be measured",
            remedy="give a larger validation share or another validation file (--validation)",
        )


def read_pseudo_labels(files: Sequence[str], columns: Columns, like: Dataset) -> tuple[Dataset, list[str]]:
    """Return the comments of files of scores on the axes of a dataset, with notes for a person.

    Scores are kept as they are, as soft targets; groups are unknown.

    Parameters
    ----------
    files : paths or globs
    columns : of the run's own files, for the names that these files have too; the others are recognised
    like : whose labels and groups the comments get

    Raises
    ------
    UserError : a file cannot be read, has no text, or no column of any label
    """
    read: list[Dataset] = []
    notes: list[str] = []
    try:
        for name in expand(files):
            known = replace(columns_present(name, columns), labels=like.labels, groups=())
            reading = read_dataset([name], known, require_all_labels=False)
            groups = np.full((len(reading.dataset), len(like.group_names)), np.nan, dtype=np.float32)
            read.append(replace(reading.dataset, groups=groups, group_names=like.group_names))
            notes += reading.notes
    except UserError as error:
        raise UserError(
            "data.todo", f"data.pseudo_labels: {error.message}", remedy=f"{error.remedy}\n{_HOW_TO_WRITE_THEM}".strip()
        ) from error
    first, *others = read
    for other in others:
        first = first.joined(other)
    return first, notes
