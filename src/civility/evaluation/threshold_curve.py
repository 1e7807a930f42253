"""One label's counts over thresholds, thinned to what a chart and the threshold explorer need. Arrays only."""

import base64

import numpy as np
import numpy.typing as npt

from civility.arrays import Ints, Scores, Targets
from civility.documents.report import Curve, Explorer, Histogram
from civility.evaluation.scored_comments import Scored, short
from civility.metrics.ranking import known_classes

_MOST_THRESHOLDS = 254
"""A score's place among them fits one byte."""
_MOST_PLACES = 500_000
"""Bytes of the explorer: 64,000 comments of six labels are 384,000. Above, a page would grow past 3 MB."""
_NUM_BINS = 40
_ROUND_THRESHOLDS = np.arange(1, 50) / 50


def curve_of(targets: Targets, scores: Scores, threshold: float) -> Curve:
    """Return the counts of flagged comments at up to 254 thresholds, the one in use among them.

    The thresholds are those where something happens: even steps in true positives, even steps in the logarithm of
    false positives, round numbers between, and the ends 0 and 1.

    Parameters
    ----------
    targets : (N,) NaN is left out
    scores : (N,) in [0, 1]
    threshold : in use
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
    counts = [np.histogram(known[side], bins=_NUM_BINS, range=(0, 1))[0].tolist() for side in (positive, ~positive)]
    return Histogram(positive=tuple(counts[0]), negative=tuple(counts[1]))


def explorer_of(scored: Scored, curves: list[Curve]) -> Explorer | None:
    """Return what counts comments that any label flags, at every threshold of every curve; None if it is too much."""
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
