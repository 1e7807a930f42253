"""Intervals for classes with few comments.

A stratified bootstrap draws the only positive comment of a label into every resample, so its interval reflects the
negatives alone. The width of the intervals here depends on the number of comments, not on how their scores vary.
"""

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import NamedTuple

from civility.metrics.intervals import Ends, share_interval, wider
from civility.metrics.threshold_search import Counts

FEWEST = 10
"""With fewer positive or fewer negative comments, the numbers of a label, and means over it, are not measurable."""
_BISECTIONS = 50


class MeanPart(NamedTuple):
    """One of the numbers of a mean: its value, its interval for few comments, and the interval of its resamples."""

    value: float
    own: Ends
    resampled: Ends


def auc_interval(auc: float, num_positive: int, num_negative: int, level: float = 0.95) -> Ends:
    """Return the interval of a ROC AUC; it also holds for one positive comment and for an AUC of 1.

    Newcombe's interval assumes a distribution of scores that fewer than `FEWEST` comments of a class cannot confirm: an
    unseen positive may rank like a negative. With so few, the interval includes Hoeffding's, which only assumes that an
    AUC is the mean of the ranks of that class.

    The ends are in [0, 1]; NaN if the AUC is undefined, as it is without positive or without negative comments.

    References
    ----------
    Newcombe, Confidence intervals for an effect size measure based on the Mann-Whitney statistic, part 2, 2006:
    method 5, which inverts the variance of Hanley and McNeil (1982) for exponential scores, with both class sizes
    replaced by their mean in its numerator.
    Hoeffding, Probability inequalities for sums of bounded random variables, 1963, theorem 1.
    """
    if math.isnan(auc) or not num_positive or not num_negative:
        return Ends(math.nan, math.nan)
    newcombe, rarer = _newcombe_of_auc(auc, num_positive, num_negative, level), min(num_positive, num_negative)
    return newcombe if rarer >= FEWEST else wider(newcombe, _hoeffding(auc, rarer, level))


def _newcombe_of_auc(auc: float, num_positive: int, num_negative: int, level: float) -> Ends:
    z = NormalDist().inv_cdf((1 + level) / 2)
    factor = (num_positive + num_negative) / 2 - 1

    def half(true: float) -> float:
        inner = 1 + factor * ((1 - true) / (2 - true) + true / (1 + true))
        return z * math.sqrt(true * (1 - true) * inner / (num_positive * num_negative))

    low = _turning_point(lambda true: auc - true > half(true), 0.0, auc)
    high = _turning_point(lambda true: true - auc <= half(true), auc, 1.0)
    return Ends(low, high)


def _hoeffding(mean: float, num: int, level: float) -> Ends:
    """Return the interval of the expectation of ``num`` independent numbers in [0, 1] with this mean."""
    most = math.log(2 / (1 - level)) / num

    def is_far(true: float) -> bool:
        return _divergence(mean, true) > most

    low = _turning_point(is_far, 0.0, mean)
    return Ends(low, _turning_point(lambda true: not is_far(true), mean, 1.0))


def _divergence(one: float, other: float) -> float:
    """Return the Kullback-Leibler divergence of two Bernoulli distributions."""
    return _entropy_term(one, other) + _entropy_term(1 - one, 1 - other)


def _entropy_term(one: float, other: float) -> float:
    if one <= 0:
        return 0.0
    return one * math.log(one / other) if other > 0 else math.inf


def f1_interval(counts: Counts, level: float = 0.95) -> Ends:
    """Return the interval of F1; it also holds for few comments and for decisions without errors.

    F1 is ``2 j / (1 + j)`` with j the share of true positives among all comments that are positive or flagged.

    References
    ----------
    Lam, Gopal and Qian, Confidence intervals for the F1 score: a comparison of four methods, 2023: Wilson indirect.
    """
    concerned = counts.num_positive + counts.false_positives
    low, high = share_interval(counts.true_positives, concerned, level)
    return Ends(2 * low / (1 + low), 2 * high / (1 + high))


def own_interval(metric: str, value: float, counts: Counts, level: float = 0.95) -> Ends:
    """Return the interval of a number of one label, from its number of comments; NaN if the number is undefined.

    Average precision is treated as a share of the positives (Boyd, Eng and Page, Area under the precision-recall curve,
    2013: the binomial interval); recall at a false-positive rate is one. ``metric`` is a name of the statistics of
    `civility.metrics.resampling`; the counts are at the threshold of the label.
    """
    if math.isnan(value):
        return Ends(math.nan, math.nan)
    if metric == "roc_auc":
        return auc_interval(value, counts.num_positive, counts.num_negative, level)
    if metric == "f1":
        return f1_interval(counts, level)
    trials = counts.flagged if metric == "precision" else counts.num_positive
    return share_interval(min(value * trials, trials), trials, level)


def difference_interval(first: MeanPart, other: MeanPart) -> Ends:
    """Return the interval of ``other`` minus ``first`` from their own intervals, as if they were independent.

    Numbers on the same comments are correlated, so the true interval is narrower; few comments do not show by how much.

    References
    ----------
    Zou and Donner, Construction of confidence limits about effect measures: a general approach, 2008.
    """
    value = other.value - first.value
    below = math.hypot(other.value - other.own.low, first.own.high - first.value)
    above = math.hypot(other.own.high - other.value, first.value - first.own.low)
    return Ends(value - below, value + above)


def mean_interval(value: float, resampled: Ends, parts: Sequence[MeanPart], num: int) -> Ends:
    """Return the interval of a mean, widened for parts whose resamples vary too little.

    The squared distance from the mean to each end is that of the resampled mean, which includes the correlation of the
    parts, plus for each part the difference between the squared distances of its own interval and of its resamples.

    Parameters
    ----------
    value : the mean
    resampled : the interval of the resampled mean; NaN counts as no distance
    parts : the numbers whose resamples may vary too little
    num : how many numbers the mean has in total

    References
    ----------
    Zou and Donner, 2008: limits of independent parts are combined by the squares of their distances.
    """

    def distance(side: int) -> float:
        def squared(of: float, ends: Ends) -> float:
            away = of - ends.low if side == 0 else ends.high - of
            return 0.0 if math.isnan(away) else max(0.0, away) ** 2

        lacking = (max(0.0, squared(one.value, one.own) - squared(one.value, one.resampled)) for one in parts)
        return math.sqrt(squared(value, resampled) + sum(lacking) / num**2)

    return Ends(value - distance(0), value + distance(1))


def _turning_point(holds: Callable[[float], bool], low: float, high: float) -> float:
    """Return the point from which a condition that holds at ``low`` fails, by bisection; ``high`` if it never fails."""
    if holds(high):
        return high
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return (low + high) / 2
