"""Whether one set of scores is better than another on the same comments. Knows numbers only, not what they measure.

Both sets are resampled with the same strata and seed, so that a resample holds the same comments for both; what
they find equally hard cancels out of the difference.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from statistics import NormalDist

import numpy as np

from civility.arrays import Floats
from civility.metrics import student
from civility.metrics.intervals import percentile_interval

_MOST_RESAMPLES = 10_000
"""Where more for the sake of few things would end."""


class Outcome(StrEnum):
    """What a difference says of the second set of scores."""

    BETTER = "better"
    WORSE = "worse"
    NOT_SHOWN = "no difference shown"
    NOT_MEASURABLE = "not measurable"


@dataclass(frozen=True)
class PairedDifference:
    """One number of two sets of scores, the second minus the first.

    Parameters
    ----------
    value : on the comments themselves; NaN if undefined for either
    low, high : ends of its interval, for this difference alone
    p_value : two-sided, in [0, 1]; after `corrected`, for all differences looked at together
    verdict : by the p value; of numbers of which the higher is the better
    """

    value: float
    low: float
    high: float
    p_value: float
    verdict: Outcome


def difference(
    point_a: float,
    point_b: float,
    values_a: Floats,
    values_b: Floats,
    level: float = 0.95,
    freedom: float = math.inf,
) -> PairedDifference:
    """Return how much better ``b`` is than ``a``, with its interval and a verdict.

    Parameters
    ----------
    point_a, point_b : a number of each set of scores; NaN if undefined
    values_a, values_b : (R,) the same in R resamples, drawn with the same strata and seed
    level : of the interval; a difference is shown if its p value is at most ``1 - level``, and then the interval
        excludes 0
    freedom : of how few things the number is a mean, less one: of ROC AUC the positives or the negatives, whichever
        are fewer. Resamples of few things spread too little, which `expanded` makes up for

    Raises
    ------
    ValueError : not as many resamples of one as of the other
    """
    if values_a.shape != values_b.shape:
        raise ValueError(f"{values_a.shape} values of a, {values_b.shape} of b: not the same resamples")
    paired = values_b - values_a
    low, high = (float(end) for end in percentile_interval(paired, 1 - _unexpanded(1 - level, freedom)))
    p_value = expanded(two_sided_p_value(paired), freedom)
    plain = PairedDifference(float(point_b - point_a), low, high, p_value, Outcome.NOT_MEASURABLE)
    return judged(plain, 1 - level)


def expanded(p_value: float, freedom: float) -> float:
    """Return the p value of few things whose resamples gave this one; never smaller.

    Percentiles of resampled means are narrower than Student's t by ``sqrt((n - 1) / n)`` and by the ratio of the
    quantiles of the normal curve and of t.

    Parameters
    ----------
    p_value : two-sided, from resamples
    freedom : n - 1, above 0; infinity leaves the p value as it is

    References
    ----------
    Hesterberg, What teachers should know about the bootstrap, 2015: the expanded percentile interval, here inverted.
    """
    if math.isinf(freedom) or math.isnan(p_value):
        return p_value
    z = -NormalDist().inv_cdf(p_value / 2)
    return student.two_sided(z * math.sqrt(freedom / (freedom + 1)), freedom)


def _unexpanded(chance: float, freedom: float) -> float:
    """Return the p value of resamples that `expanded` makes this one."""
    if math.isinf(freedom):
        return chance
    return math.erfc(student.critical(chance, freedom) * math.sqrt((freedom + 1) / freedom / 2))


def corrected(differences: Sequence[PairedDifference], level: float = 0.95) -> tuple[PairedDifference, ...]:
    """Return the differences with p values and verdicts that hold for all of them together.

    The chance of one "better" or "worse" too many among them is then at most ``1 - level``; the intervals stay those
    of each alone. A p value is at least ``2 / (R + 1)``: with fewer resamples than `resamples_needed` hardly anything
    can be shown.
    """
    p_values = holm(np.array([each.p_value for each in differences]))
    return tuple(
        judged(replace(each, p_value=float(p_value)), 1 - level)
        for each, p_value in zip(differences, p_values, strict=True)
    )


def resamples_needed(num_differences: int, level: float = 0.95, freedom: float = math.inf) -> int:
    """Return how many resamples it takes that one of so many differences can be shown after `corrected`.

    Twice as many as let the smallest p value there is, ``2 / (R + 1)``, pass: a verdict then does not hang on a single
    resample. 2,000 do for 25 differences. Drawing more is preferred to a p value from the tail of a normal curve beyond
    the resamples: in simulations of 60 differences without any, it erred as often and took one more assumption.

    Differences of few things (`difference`) take more, up to 10,000, which is where this ends: of a handful of comments
    and many verdicts none can be shown then, as is right.

    Parameters
    ----------
    num_differences : that are looked at together, 1 or more
    level : as for `corrected`
    freedom : the smallest of theirs
    """
    needed = 4 / _unexpanded((1 - level) / num_differences, freedom)
    if not math.isinf(freedom):
        needed = min(needed, _MOST_RESAMPLES)
    return math.ceil(needed * (1 - 1e-12)) - 1  # a hair less: 1 - 0.95 is not quite 0.05


def two_sided_p_value(paired: Floats) -> float:
    """Return the bootstrap's p value of no difference: twice the smaller share of resamples on one side of 0.

    Parameters
    ----------
    paired : (R,) resampled differences; NaN is left out

    Returns
    -------
    float in (0, 1], never below ``2 / (R + 1)``; NaN where fewer than half of the resamples are defined

    References
    ----------
    Davison and Hinkley, Bootstrap Methods and their Application, 1997, section 4.2: one is added to both counts.
    """
    defined = paired[~np.isnan(paired)]
    if 2 * len(defined) < len(paired):
        return float("nan")
    smaller = min(int((defined <= 0).sum()), int((defined >= 0).sum()))
    return min(1.0, 2 * (1 + smaller) / (len(defined) + 1))


def holm(p_values: Floats) -> Floats:
    """Return p values that may each be compared with the chance of one error among all.

    Parameters
    ----------
    p_values : (K,) in [0, 1]; NaN stays NaN and does not count

    References
    ----------
    Holm, A simple sequentially rejective multiple test procedure, 1979.
    """
    adjusted = np.full(len(p_values), np.nan)
    order = np.argsort(p_values)[: int((~np.isnan(p_values)).sum())]  # NaN is sorted to the end
    left = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(left * p_values[order]))
    return adjusted


def judged(each: PairedDifference, chance: float) -> PairedDifference:
    """Return a difference with the verdict of its p value: shown if that is at most ``chance``."""
    if np.isnan(each.value) or np.isnan(each.p_value):
        return replace(each, verdict=Outcome.NOT_MEASURABLE)
    # A hair of room: 1 - 0.95 is a little more than 0.05, 1 - 0.9 a little less than 0.1.
    if each.p_value > chance + 1e-12:
        return replace(each, verdict=Outcome.NOT_SHOWN)
    return replace(each, verdict=Outcome.BETTER if each.low > 0 else Outcome.WORSE)
