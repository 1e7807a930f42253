"""The curves of a report: counts over thresholds, histograms, reliability before and after calibration, training."""

import base64
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from civility.arrays import Ints, Scores, Targets
from civility.documents.label_report import CalibrationReport, Curve, Estimate, Histogram, ReliabilityBin, ScoreQuality
from civility.documents.report import EpochLine, Explorer, TrainingCurves
from civility.errors import UserError
from civility.evaluation.scored_comments import Scored, short
from civility.metrics.calibration import brier, expected_calibration_error, log_loss, reliability
from civility.metrics.ranking import known_classes

_MOST_THRESHOLDS = 254
"""So that the position of a score among them fits into one byte."""
_MOST_PLACES = 500_000
"""Bytes of the explorer: 64,000 comments of six labels are 384,000. With more, a page would exceed 3 MB."""
_HISTOGRAM_BINS = 40
_RELIABILITY_BINS = 15
"""Of equal width; the usual number since Guo et al., On Calibration of Modern Neural Networks, 2017."""
_ROUND_THRESHOLDS = np.arange(1, 50) / 50


def curve_of(targets: Targets, scores: Scores, threshold: float) -> Curve:
    """Return the counts of flagged comments at up to 254 thresholds, the one in use among them.

    The thresholds are even steps in true positives, even steps in the logarithm of false positives, round numbers, 0
    and 1. Targets (N,) that are NaN are left out.
    """
    positive, known = known_classes(targets, scores)
    order = np.argsort(-known, kind="stable")
    ranked = known[order]
    num_positive, num_negative = int(positive.sum()), int((~positive).sum())
    by_positives = ranked[positive[order]][_even(num_positive)]
    by_negatives = ranked[~positive[order]][_even_in_logarithm(num_negative)]
    chosen = np.unique(np.concatenate([by_positives, by_negatives]).astype(np.float32))
    fixed = np.array([0, 1, threshold], dtype=np.float32)
    room = _MOST_THRESHOLDS - len(fixed) - len(_ROUND_THRESHOLDS)
    if len(chosen) > room:
        chosen = chosen[np.linspace(0, len(chosen) - 1, room).round().astype(np.int64)]
    joined = np.unique(np.concatenate([chosen, fixed, _ROUND_THRESHOLDS.astype(np.float32)]))
    values = [short(value) for value in joined]
    cuts = np.array(values, dtype=np.float32)
    return Curve(
        thresholds=tuple(values),
        true_positives=tuple(_num_from(known[positive], cuts).tolist()),
        false_positives=tuple(_num_from(known[~positive], cuts).tolist()),
    )


def _even(number: int, steps: int = 90) -> Ints:
    return np.unique(np.linspace(0, max(0, number - 1), min(number, steps)).round().astype(np.int64))


def _even_in_logarithm(number: int, steps: int = 90) -> Ints:
    places = np.expm1(np.linspace(0, np.log(max(1, number)), min(number, steps)))
    return np.unique(np.clip(places.round().astype(np.int64), 0, max(0, number - 1)))


def _num_from(scores: npt.NDArray[np.float64], cuts: npt.NDArray[np.float32]) -> Ints:
    """Return how many scores reach each cut."""
    ascending = np.sort(scores.astype(np.float32))
    return np.asarray(len(ascending) - np.searchsorted(ascending, cuts, side="left"), dtype=np.int64)


def histogram_of(targets: Targets, scores: Scores) -> Histogram:
    """Return the numbers of positive and negative comments in equal bins of score; NaN targets are left out."""
    positive, known = known_classes(targets, scores)
    counts = [
        np.histogram(known[side], bins=_HISTOGRAM_BINS, range=(0, 1))[0].tolist() for side in (positive, ~positive)
    ]
    return Histogram(positive=tuple(counts[0]), negative=tuple(counts[1]))


def explorer_of(scored: Scored, curves: list[Curve]) -> Explorer | None:
    """Return the data to count comments that any label flags at any thresholds; None for too many comments."""
    if scored.scores.size > _MOST_PLACES:
        return None
    buckets = [
        np.searchsorted(np.array(curve.thresholds, dtype=np.float32), scores, side="right").astype(np.uint8)
        for curve, scores in zip(curves, scored.scores.T, strict=True)
    ]
    known = np.where(np.isnan(scored.any_target), 2, scored.any_target).astype(np.uint8)
    return Explorer(
        buckets=base64.b64encode(b"".join(row.tobytes() for row in buckets)).decode(),
        any_target=base64.b64encode(known.tobytes()).decode(),
    )


def calibration_of(scored: Scored, column: int) -> CalibrationReport:
    """Return the quality of one label's scores before and after calibration.

    Where the calibration was fitted on these very comments, "after" is of calibrations fitted on the other folds.
    """
    targets = scored.dataset.targets[:, column]
    before = scored.scores if scored.uncalibrated is None else scored.uncalibrated
    after = scored.scores if scored.out_of_fold is None else scored.out_of_fold
    return CalibrationReport(
        method=scored.calibrations.get(scored.dataset.labels[column], "none"),
        cross_fitted=scored.out_of_fold is not None,
        before=_quality(targets, before[:, column]),
        after=_quality(targets, after[:, column]),
    )


def _quality(targets: Targets, scores: Scores) -> ScoreQuality:
    bins = tuple(
        ReliabilityBin(
            low=one.low,
            high=one.high,
            num_comments=one.num,
            mean_score=one.mean_score,
            share_positive=Estimate(value=one.share_positive, low=one.share_low, high=one.share_high),
        )
        for one in reliability(scores, targets, _RELIABILITY_BINS)
    )
    return ScoreQuality(
        calibration_error=expected_calibration_error(scores, targets, _RELIABILITY_BINS),
        brier=brier(scores, targets),
        log_loss=log_loss(scores, targets),
        bins=bins,
    )


_MOST_STEPS = 400


def training_curves(lines: Iterable[Mapping[str, Any]]) -> TrainingCurves | None:
    """Return the curves of a run by the lines of metrics.jsonl; None if there is no epoch, or they cannot be read."""
    try:
        return _curves(lines)
    except (UserError, ValueError, KeyError, TypeError):  # of another version, or damaged
        return None


def _curves(lines: Iterable[Mapping[str, Any]]) -> TrainingCurves | None:
    steps, epochs, best = [], [], 0
    for line in lines:
        if line["kind"] == "step":
            steps.append(line)
        elif line["kind"] == "epoch":
            epochs.append(_epoch(line))
            best = line["epoch"] if line["best"] else best
    if not epochs:
        return None
    every = max(1, -(-len(steps) // _MOST_STEPS))
    windows = [steps[start : start + every] for start in range(0, len(steps), every)]
    return TrainingCurves(
        steps=tuple(window[-1]["step"] for window in windows),
        losses=tuple(_mean([line["loss"] for line in window]) for window in windows),
        learning_rates=tuple(window[-1]["learning_rate"] for window in windows),
        epochs=tuple(epochs),
        best_epoch=best,
    )


def _epoch(line: Mapping[str, Any]) -> EpochLine:
    validation = line["validation"]
    return EpochLine(
        epoch=line["epoch"],
        step=line["step"],
        training_loss=line["training_loss"],
        validation_loss=validation["loss"],
        macro_roc_auc=validation["macro_roc_auc"],
        roc_auc=validation["roc_auc"],
    )


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None and value == value]
    return sum(known) / len(known) if known else None
