"""The comments of a run: read, split into training and validation, and checked for labels that cannot be learned."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from civility.arrays import Ints
from civility.data.dataset import Dataset, count_targets, text_digests
from civility.data.dialects import Columns
from civility.data.reading import Reading, columns_present, read_dataset
from civility.data.reading.opening import expand
from civility.data.splits import fold_of_rows, split
from civility.errors import UserError
from civility.plain_text import count, is_formula, printable

_HOW_TO_WRITE = "'civility predict RUN --data FILE --out SCORES --keep-text' writes a file with both"


@dataclass(frozen=True)
class Wanted:
    """Which comments a run needs, and how they are split into training and validation.

    Parameters
    ----------
    files : training files
    validation : share of the comments for validation, in (0, 1), or the validation files; not used with folds
    columns : which columns hold what
    seed : of the split
    folds : number of cross-validation folds; 0: none
    fold : the validation fold, from 1
    pseudo_labels : files of comments with scores as targets, for training only
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
    """Training and validation comments on one label axis, with notes on them.

    Parameters
    ----------
    training, validation : disjoint; every label has a positive comment in training
    files, validation_files : those read; both are the same for a split
    notes : warnings, a sentence each
    added : what training has in addition to the comments of its files, such as ``1,000 with pseudo-labels``
    original : the training comments before augmentation; None without augmentation
    held_out : (M,) rows of the validation comments among those read; None if they have files of their own
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
    """Read the comments of several runs; see `prepare`. Files are read once, and equal results are one object."""
    readings: dict[tuple[tuple[str, ...], Columns], Reading] = {}
    done: list[tuple[Wanted, PreparedData]] = []
    for one in wanted:
        before = next((data for other, data in done if other == one), None)
        if before is None:
            _check(one)
            key = (tuple(one.files), one.columns)
            if key not in readings:
                readings[key] = read_dataset(one.files, one.columns)
            before = _split_up(one, readings[key])
        done.append((one, before))
    return tuple(data for _, data in done)


def prepare(wanted: Wanted) -> PreparedData:
    """Read the comments of a run.

    Raises
    ------
    UserError : a file cannot be read, a label has no positive comment in training, validation cannot measure any label,
        or there is no such fold
    """
    _check(wanted)
    return _split_up(wanted, read_dataset(wanted.files, wanted.columns))


def _check_labels(labels: Sequence[str]) -> None:
    """Raise a UserError for a label that cannot be a column name of a score file."""
    for label in labels:
        found = ""
        if printable(label) != label:
            found = f"the label '{printable(label)}' has a control character"
        elif is_formula(label):
            reason = "a spreadsheet would take the name of its column for a formula"
            found = f"the label {label!r} begins with {label.lstrip()[0]!r}: {reason}"
        if found:
            raise UserError("data.bad-label", found, remedy="rename the label")


def _split_up(wanted: Wanted, reading: Reading) -> PreparedData:
    _check_labels(reading.dataset.labels)
    notes, held_out = list(reading.notes), None
    added: tuple[str, ...] = ()
    if wanted.folds or isinstance(wanted.validation, int | float):
        rows, held_out = _rows_of(reading.dataset, wanted)
        training, validating = reading.dataset.select(rows), reading.dataset.select(held_out)
        validation_files = reading.files
        if not isinstance(wanted.validation, int | float):
            unused = ", ".join(wanted.validation)
            fold = f"fold {wanted.fold} of {wanted.folds} is used for validation"
            notes.append(f"data.validation ({unused}) is not used: {fold}")
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
    _check_measurable(training, validating)
    files = reading.files, validation_files
    return PreparedData(training, validating, *files, tuple(notes), added=added, held_out=held_out)


def _check(wanted: Wanted) -> None:
    """Raise a UserError for errors that can be found before a file is read."""
    if not wanted.files:
        raise UserError("data.no-file", "no training data", remedy="give --data FILE, or data.files in the recipe")
    expected = ""
    if wanted.folds == 1:
        found, remedy = "data.folds = 1: one fold would leave nothing to train on", "give 2 or more, or 0 for none"
    elif wanted.folds and not 1 <= wanted.fold <= wanted.folds:
        found, remedy = f"data.fold = {wanted.fold}", "choose one of these folds, or set data.folds"
        expected = f"a fold from 1 to {wanted.folds} (data.folds)"
    elif not wanted.folds and wanted.fold != 1:
        found = f"data.fold = {wanted.fold} without data.folds"
        remedy = "set the number of folds: --set data.folds=5"
    else:
        return
    raise UserError("data.conflicting-settings", found, expected=expected, remedy=remedy)


def _rows_of(dataset: Dataset, wanted: Wanted) -> tuple[Ints, Ints]:
    """Return the rows for training and those for validation."""
    if not wanted.folds:
        assert isinstance(wanted.validation, int | float)
        return split(dataset, float(wanted.validation), wanted.seed)
    fold = fold_of_rows(dataset, wanted.folds, wanted.seed)
    return np.flatnonzero(fold != wanted.fold), np.flatnonzero(fold == wanted.fold)


def _with_pseudo_labels(training: Dataset, validation: Dataset, wanted: Wanted) -> tuple[Dataset, list[str]]:
    """Return the training comments followed by those with pseudo-labels that do not equal a validation comment."""
    pseudo, notes = read_pseudo_labels(wanted.pseudo_labels, wanted.columns, training)
    kept = np.flatnonzero(~np.isin(text_digests(pseudo.texts), text_digests(validation.texts)))
    if len(kept) < len(pseudo):
        notes.append(
            f"{count(len(pseudo) - len(kept), 'comment')} with pseudo-labels left out: validation has equal ones, up "
            "to case and spaces"
        )
    return training.joined(pseudo.select(kept)), notes


def _check_measurable(training: Dataset, validation: Dataset) -> None:
    """Raise a UserError for a label that cannot be learned, or if none can be measured."""
    num_positive, num_known = count_targets(training.targets)
    for label, positive, known in zip(training.labels, num_positive, num_known, strict=True):
        if not positive:
            found = f"{label} has no positive comment in training (0 of {known:,} known), so it cannot be learned"
            remedy = "add comments that have the label, or leave it out (data.labels)"
            raise UserError("data.too-few", found, remedy=remedy)
    num_positive, num_known = count_targets(validation.targets)
    if not np.any((num_positive > 0) & (num_positive < num_known)):
        found = "no label has both a positive and a negative comment in validation, so nothing can be measured"
        remedy = "give a larger validation share or another validation file (--validation)"
        raise UserError("data.too-few", found, remedy=remedy)


def read_pseudo_labels(files: Sequence[str], columns: Columns, like: Dataset) -> tuple[Dataset, list[str]]:
    """Return the comments of score files with the labels and groups of a dataset, with notes for the user.

    `civility predict --keep-text` writes such files. The scores become soft targets; groups are unknown. Names in
    ``columns``, those of the run's own files, are used if these files have them too; the others are recognised.
    A UserError if a file cannot be read, has no text column, or none of the labels.
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
        remedy = f"{error.remedy}\n{_HOW_TO_WRITE}".strip()
        raise UserError(error.code, f"data.pseudo_labels: {error.message}", remedy=remedy) from error
    first, *others = read
    for other in others:
        first = first.joined(other)
    return first, notes
