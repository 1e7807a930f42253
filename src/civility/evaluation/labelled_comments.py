"""Labelled comments and a classifier's scores of them: what evaluation, thresholds and training share.

For a run directory without files, the comments are those that it held out, split off again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from civility.arrays import Logits, Scores
from civility.data.dataset import Dataset, count_targets
from civility.data.prepare import prepare
from civility.data.reading import Columns, Origin, columns_present, read_dataset
from civility.documents.note import Note
from civility.documents.report import Optimistic
from civility.errors import UserError
from civility.evaluation import Scored
from civility.metrics.calibration import AFFINE, CalibrationChoice, LabelCalibration, Method, choose, cross_fitted
from civility.metrics.policy import Policy
from civility.metrics.threshold_search import Cuts, ThresholdChoice, choose_or_fall_back
from civility.run import RunDirectory
from civility.run.seen_comments import Seen, seen_by
from civility.scoring.classifier import Classifier


@dataclass(frozen=True)
class Labelled:
    """Labelled comments.

    Parameters
    ----------
    dataset : with the classifier's labels
    files : as read
    notes : what a reader should know of them
    origin : file and row of each comment; None for comments that a run held out
    is_own : whether the run held out these comments
    """

    dataset: Dataset
    files: tuple[str, ...]
    notes: tuple[Note | str, ...]
    origin: Origin | None
    is_own: bool


def read_labelled(target: str, files: Sequence[str], labels: tuple[str, ...], columns: Columns) -> Labelled:
    """Read labelled comments, or those that a run held out if no files are named; a UserError for any mistake.

    A label of the classifier that the files lack is unknown. Columns that are not named are those of the run's recipe
    if the file has them, else recognised.
    """
    run = RunDirectory.find(Path(target))
    if not files:
        _refuse_columns(columns)
        return _held_out(target, run, labels)
    known = Columns(file=columns.file)
    if run is not None:
        known = columns_present(files[0], run.load_recipe().data.columns, columns.file)
    columns = replace(
        known,
        text=columns.text or known.text,
        id=columns.id or known.id,
        labels=labels,
        groups=columns.groups or known.groups,
    )
    reading = read_dataset(files, columns, require_all_labels=False)
    notes: tuple[Note | str, ...] = (*reading.notes, *notes_on_seen(target, reading.dataset))
    return Labelled(reading.dataset, reading.files, notes, reading.origin, is_own=False)


def _refuse_columns(columns: Columns) -> None:
    """Raise a UserError for columns named without a file: they would be ignored silently."""
    named = [name for name in (columns.text, columns.id, *columns.groups) if name]
    if named:
        found = f"columns are named ({', '.join(named)}) but no file: held-out comments are read as the recipe says"
        remedy = "give --data FILE, or data.groups in the recipe of the run"
        raise UserError("evaluation.no-held-out-comments", found, remedy=remedy)


def notes_on_seen(target: str, dataset: Dataset) -> Iterator[Note]:
    """Count the comments that took part in the run, whose numbers are too good."""
    seen = seen_by(target, dataset.texts)
    if not isinstance(seen, Seen):
        return
    num_trained, num_validated = int(seen.trained.sum()), int((seen.validated & ~seen.trained).sum())
    if num_trained:
        yield Note(code="seen_in_training", num=num_trained, total=len(dataset))
    if num_validated:
        yield Note(code="seen_in_validation", num=num_validated, total=len(dataset))


def _held_out(target: str, run: RunDirectory | None, labels: tuple[str, ...]) -> Labelled:
    """Return the validation comments of a run, verified by the digest that it recorded."""
    if run is None:
        found = "not a run directory, so it has no comments of its own"
        raise UserError("evaluation.no-held-out-comments", found, where=target, remedy="give --data FILE")
    data = prepare(run.load_recipe().wanted)
    recorded = run.environment("give --data FILE").data.validation.digest
    if data.validation.digest != recorded or data.validation.labels != labels:
        found = "its training files have changed, so its validation comments cannot be split off again"
        raise UserError("evaluation.no-held-out-comments", found, where=target, remedy="give --data FILE")
    return Labelled(data.validation, data.validation_files, data.notes, None, is_own=True)


def scored_by(classifier: Classifier, dataset: Dataset, logits: Logits) -> Scored:
    """Return the comments with their scores and thresholds, from logits (N, L) before calibration.

    Labels whose calibration was fitted on these very comments also get cross-fitted scores.
    """
    methods = {label: calibration.method for label, calibration in classifier.calibration.items()}
    is_calibrated = any(method != "none" for method in methods.values())
    out_of_fold = None
    fitted_here = [classifier.chosen_on.calibration.get(label) == dataset.comments_digest for label in dataset.labels]
    if is_calibrated and any(fitted_here):
        out_of_fold = classifier.calibrated(logits)
        for column in np.flatnonzero(fitted_here):
            method = classifier.calibration[dataset.labels[column]].method
            out_of_fold[:, column] = cross_fitted(method, logits[:, column], dataset.targets[:, column])
    return Scored(
        dataset,
        classifier.calibrated(logits),
        classifier.thresholds,
        classifier.review_thresholds,
        classifier.policies,
        classifier.not_chosen_from_data,
        uncalibrated=LabelCalibration().apply(logits).astype(np.float32) if is_calibrated else None,
        out_of_fold=out_of_fold,
        calibrations=methods,
    )


def calibrations_for(
    dataset: Dataset, logits: Logits, methods: Sequence[Method] = AFFINE
) -> dict[str, CalibrationChoice]:
    """Return the calibration that fits each label's logits, a column of (N, L), on these comments."""
    columns = zip(dataset.labels, logits.T, dataset.targets.T, strict=True)
    return {label: choose(own, targets, methods) for label, own, targets in columns}


def thresholds_for(dataset: Dataset, scores: Scores, policies: Mapping[str, Policy]) -> dict[str, ThresholdChoice]:
    """Return the threshold that each policy chooses by scores (N, L), or the fallback if comments are too few.

    Labels without a policy, or without both positive and negative comments, are left out.
    """
    without = why_no_threshold(dataset)
    columns = zip(dataset.labels, dataset.targets.T, scores.T, strict=True)
    return {
        label: choose_or_fall_back(policies[label], Cuts.of(targets, own))
        for label, targets, own in columns
        if label in policies and label not in without
    }


def why_no_threshold(dataset: Dataset) -> dict[str, str]:
    """Return, by label, why no threshold can be chosen on these comments."""
    reasons = {}
    for label, num_positive, num_known in zip(dataset.labels, *count_targets(dataset.targets), strict=True):
        if not num_known:
            reasons[label] = "its target is unknown for every comment"
        elif num_positive in (0, num_known):
            missing = "negative" if num_positive else "positive"
            reasons[label] = f"no {missing} comment among {num_known:,}"
    return reasons


def fit_on(
    classifier: Classifier,
    dataset: Dataset,
    logits: Logits,
    policies: Mapping[str, Policy],
    calibration: Literal["auto", "isotonic", "none"],
) -> Scored:
    """Calibrate a classifier in place and choose its thresholds on comments, and return their scores.

    The logits (N, L) are before calibration. Calibration is as in the recipe: "auto" is affine if that helps.
    """
    digest = dataset.comments_digest
    if calibration != "none":
        chosen = calibrations_for(dataset, logits, AFFINE if calibration == "auto" else ("none", calibration))
        classifier.calibrate({label: one.calibration for label, one in chosen.items()}, digest)
    choices = thresholds_for(dataset, classifier.calibrated(logits), policies)
    classifier.set_thresholds(choices, digest)
    # Without both classes a label stays at 0.5, which is not chosen from data.
    classifier.not_chosen_from_data |= set(policies) - set(choices)
    return scored_by(classifier, dataset, logits)


def optimistic(classifier: Classifier, labelled: Labelled) -> tuple[Optimistic, ...]:
    """Return what was chosen on these very comments, such as the best epoch on those of the run."""
    found = classifier.chosen_on.names(labelled.dataset.comments_digest)
    names: tuple[Optimistic, ...] = ("epoch", "calibration", "thresholds")
    has_epoch = labelled.is_own and classifier.kind == "encoder"
    return tuple(what for what in names if what in found or (what == "epoch" and has_epoch))
