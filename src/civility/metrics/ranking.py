"""How well scores rank positive comments above negative ones."""

from collections.abc import Iterable

import numpy as np

from civility.arrays import POSITIVE_FROM, AnyFloats, Bools, Floats


def known_classes(targets: AnyFloats, scores: AnyFloats) -> tuple[Bools, Floats]:
    """Return which of the known targets are positive, and their scores.

    Parameters
    ----------
    targets : (N,) in [0, 1]; NaN is left out
    scores : (N,)

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

    Parameters
    ----------
    targets : (N,) in [0, 1]; positive from 0.5 up; NaN is left out
    scores : (N,) any monotone score

    Returns
    -------
    float in [0, 1]; NaN without positives or without negatives

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

    Parameters
    ----------
    targets : (N,) in [0, 1]; positive from 0.5 up; NaN is left out
    scores : (N,) any monotone score; equal scores are one threshold

    Returns
    -------
    float in [0, 1]; NaN without positives or without negatives

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
    """Return the highest recall of a threshold that flags at most a given share of the negatives.

    Parameters
    ----------
    targets : (N,) in [0, 1]; positive from 0.5 up; NaN is left out
    scores : (N,) any monotone score; a threshold flags all of equal scores or none, so nothing is interpolated
    fpr : the largest false-positive rate allowed, in [0, 1]

    Returns
    -------
    float in [0, 1], 0 if the highest score already flags too many negatives; NaN without positives or without
    negatives
    """
    positive, scores = known_classes(targets, scores)
    positives, negatives = scores[positive], np.sort(scores[~positive])
    if not len(positives) or not len(negatives):
        return float("nan")
    false = len(negatives) - np.searchsorted(negatives, positives)  # negatives flagged with each positive
    # Divide rather than multiply: 0.29 * 100 is less than 29, but 29 / 100 is 0.29.
    return float(np.mean(false / len(negatives) <= fpr))
