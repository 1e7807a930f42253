"""Whether scores can be read as probabilities: log loss, Brier score, calibration error, reliability curve.

Scores are in [0, 1]. Soft targets count as positive from 0.5 up, NaN targets are left out, and a measure without
comments is NaN.
"""

from dataclasses import dataclass

import numpy as np

from civility.arrays import AnyFloats, Bools, Floats
from civility.metrics.intervals import wilson
from civility.metrics.ranking import known_classes

SMALLEST_CHANCE = 2.0**-25
"""Log loss clips scores to this distance from 0 and 1. Closer, a float32 score is 1, and an error has infinite loss."""


@dataclass(frozen=True)
class Bin:
    """The comments with scores in ``[low, high)``; the last bin includes 1.

    Parameters
    ----------
    low, high : edges of the scores
    num : comments, at least 1
    mean_score : in [0, 1]
    share_positive : in [0, 1]; the mean score of calibrated scores
    share_low, share_high : 95 % Wilson interval of ``share_positive``
    """

    low: float
    high: float
    num: int
    mean_score: float
    share_positive: float
    share_low: float
    share_high: float


def log_losses(scores: AnyFloats, positive: Bools) -> Floats:
    """Return the log loss of each comment in nats, (N,), of known classes."""
    chance = np.clip(np.asarray(scores, dtype=np.float64), SMALLEST_CHANCE, 1 - SMALLEST_CHANCE)
    return -np.log(np.where(positive, chance, 1 - chance))


def log_loss(scores: AnyFloats, targets: AnyFloats) -> float:
    """Return the mean log loss in nats; scores are clipped to ``SMALLEST_CHANCE`` from 0 and 1.

    Parameters
    ----------
    scores : (N,) in [0, 1]
    targets : (N,) in [0, 1] or NaN
    """
    positive, scores = known_classes(targets, scores)
    return float(log_losses(scores, positive).mean()) if len(positive) else float("nan")


def brier(scores: AnyFloats, targets: AnyFloats) -> float:
    """Return the Brier score, the mean squared difference of score and class (Brier 1950).

    Parameters
    ----------
    scores : (N,) in [0, 1]
    targets : (N,) in [0, 1] or NaN
    """
    positive, scores = known_classes(targets, scores)
    return float(np.mean((scores - positive) ** 2)) if len(positive) else float("nan")


def expected_calibration_error(scores: AnyFloats, targets: AnyFloats, num_bins: int = 15) -> float:
    """Return the mean distance of score and share of positives over bins of equal width, weighted by comments.

    Parameters
    ----------
    scores : (N,) in [0, 1]
    targets : (N,) in [0, 1] or NaN
    num_bins : of equal width

    References
    ----------
    Naeini et al. 2015; Guo et al., On calibration of modern neural networks, 2017; here with the score of the positive
    class, not that of the predicted class.
    """
    bins = reliability(scores, targets, num_bins)
    if not bins:
        return float("nan")
    gaps = sum(one.num * abs(one.mean_score - one.share_positive) for one in bins)
    return gaps / sum(one.num for one in bins)


def reliability(scores: AnyFloats, targets: AnyFloats, num_bins: int = 15) -> list[Bin]:
    """Return the reliability curve: bins of equal width by score, empty ones left out.

    Parameters
    ----------
    scores : (N,) in [0, 1]
    targets : (N,) in [0, 1] or NaN
    num_bins : of equal width

    Raises
    ------
    ValueError : a score is outside [0, 1]
    """
    positive, scores = known_classes(targets, scores)
    if len(scores) and not (scores.min() >= 0 and scores.max() <= 1):
        raise ValueError("a score is outside [0, 1]")
    edges = np.arange(num_bins + 1) / num_bins
    place = np.minimum(np.searchsorted(edges, scores, side="right") - 1, num_bins - 1)
    counts = np.bincount(place, minlength=num_bins)
    hits = np.bincount(place, weights=positive, minlength=num_bins)
    sums = np.bincount(place, weights=scores, minlength=num_bins)
    bins = []
    for i in np.flatnonzero(counts):
        num, num_positive = int(counts[i]), int(hits[i])
        low, high = edges[i].item(), edges[i + 1].item()
        share_low, share_high = (float(end) for end in wilson(num_positive, num))
        bins.append(Bin(low, high, num, sums[i].item() / num, num_positive / num, share_low, share_high))
    return bins
