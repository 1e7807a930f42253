"""Ranks of scores: how well they put positive comments above negative ones, and the rank among known comments."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from civility.arrays import POSITIVE_FROM, AnyFloats, Bools, Float32s, Floats

_KNOTS = 257
"""Enough for a smooth map of any sample; dense at both ends, where comments of rare labels are."""


def known_classes(targets: AnyFloats, scores: AnyFloats) -> tuple[Bools, Floats]:
    """Return which of the known targets, of (N,) in [0, 1] or NaN, are positive, and their scores.

    Raises
    ------
    ValueError : the shapes differ, or the score of a known target is NaN
    """
    targets, exact = np.asarray(targets), np.asarray(scores, dtype=np.float64)
    if targets.ndim != 1 or targets.shape != exact.shape:
        raise ValueError(f"targets have shape {targets.shape} and scores {exact.shape}, expected (N,) twice")
    known = ~np.isnan(targets)
    if np.isnan(exact[known]).any():
        raise ValueError("a score is NaN")
    return targets[known] >= POSITIVE_FROM, exact[known]


def roc_auc(targets: AnyFloats, scores: AnyFloats) -> float:
    """Return the area under the ROC curve: the chance that a positive scores above a negative, ties counted half.

    It is NaN without positives or without negatives. Targets are as for `known_classes`, scores any monotone ones.

    References
    ----------
    Hanley and McNeil, The meaning and use of the area under a ROC curve, 1982: the Mann-Whitney statistic.
    """
    positive, scores = known_classes(targets, scores)
    num_positive = int(positive.sum())
    num_negative = len(positive) - num_positive
    if not num_positive or not num_negative:
        return float("nan")
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    middle_rank = np.cumsum(counts) - (counts - 1) / 2  # 1-based, the mean rank of each group of ties
    statistic = middle_rank[place[positive]].sum() - num_positive * (num_positive + 1) / 2
    return float(statistic / (num_positive * num_negative))


def macro_mean(values: Iterable[float]) -> float:
    """Return the mean of the values that are defined; NaN if none is."""
    defined = [value for value in values if not np.isnan(value)]
    return float(np.mean(defined)) if defined else float("nan")


def average_precision(targets: AnyFloats, scores: AnyFloats) -> float:
    """Return the average precision: the sum over thresholds of the gain in recall times the precision there.

    It is NaN without positives or without negatives. Equal scores are one threshold.

    References
    ----------
    Definition of scikit-learn's ``average_precision_score``: no interpolation.
    """
    positive, scores = known_classes(targets, scores)
    num_positive = int(positive.sum())
    if not num_positive or num_positive == len(positive):
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(positive[order])
    ranked = scores[order]
    # Compare rather than subtract: the difference of two infinite scores is NaN, not 0.
    last_of_ties = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(order) - 1)
    precision = hits[last_of_ties] / (last_of_ties + 1)
    gain = np.diff(hits[last_of_ties], prepend=0) / num_positive
    return float(np.sum(gain * precision))


def recall_at_fpr(targets: AnyFloats, scores: AnyFloats, fpr: float) -> float:
    """Return the highest recall of a threshold that flags at most the share ``fpr`` of the negatives.

    It is 0 if the highest score already flags too many, and NaN without positives or without negatives. A threshold
    flags all of equal scores or none, so nothing is interpolated.
    """
    positive, scores = known_classes(targets, scores)
    positives, negatives = scores[positive], np.sort(scores[~positive])
    if not len(positives) or not len(negatives):
        return float("nan")
    false = len(negatives) - np.searchsorted(negatives, positives)  # negatives flagged with each positive
    # Divide rather than multiply: 0.29 * 100 is less than 29, but 29 / 100 is 0.29.
    return float(np.mean(false / len(negatives) <= fpr))


@dataclass(frozen=True, eq=False)
class RankMap:
    """An increasing map from a logit to the share of known logits below it, in (0, 1).

    The rank of a comment does not depend on other comments that are scored. The map is linear between the knots; beyond
    the outermost it approaches 0 or 1 exponentially, so that logits keep their order even there.

    Parameters
    ----------
    logits : (K,) increasing
    ranks : (K,) increasing, in (0, 1)

    Raises
    ------
    ValueError : the numbers are not such a map
    """

    logits: Floats
    ranks: Floats

    def __post_init__(self) -> None:
        if self.logits.ndim != 1 or self.logits.shape != self.ranks.shape or not len(self.logits):
            raise ValueError("a rank map needs a rank for each of its logits")
        if not np.isfinite(self.logits).all() or (np.diff(self.logits) <= 0).any() or (np.diff(self.ranks) <= 0).any():
            raise ValueError("the logits or ranks of a rank map do not increase")
        if self.ranks[0] <= 0 or self.ranks[-1] >= 1:
            raise ValueError("a rank is outside (0, 1)")

    @classmethod
    def of(cls, logits: AnyFloats) -> "RankMap":
        """Return the map of (N,) finite logits, N from 1 up: the mean rank of each distinct one, divided by N."""
        values, counts = np.unique(np.asarray(logits, dtype=np.float64), return_counts=True)
        ranks = (np.cumsum(counts) - counts / 2) / counts.sum()
        if len(values) > _KNOTS:
            widest = np.log(2 * counts.sum())
            wanted = 1 / (1 + np.exp(-np.linspace(-widest, widest, _KNOTS)))
            kept = np.unique(np.clip(np.searchsorted(ranks, wanted), 0, len(values) - 1))
            kept = np.union1d(kept, [0, len(values) - 1])
            values, ranks = values[kept], ranks[kept]
        return cls(values, ranks)

    def apply(self, logits: AnyFloats) -> Floats:
        """Return the rank of each logit, float64 in [0, 1], of the same shape; NaN stays NaN."""
        exact = np.asarray(logits, dtype=np.float64)
        inside = np.interp(exact, self.logits, self.ranks)
        below, above = np.minimum(exact - self.logits[0], 0), np.maximum(exact - self.logits[-1], 0)
        return np.asarray(1 - (1 - inside * np.exp(below)) * np.exp(-above))


def rank_maps(logits: Float32s) -> tuple[RankMap, ...]:
    """Return a map for each column of (N, L) logits."""
    return tuple(RankMap.of(column) for column in logits.T)
