"""Whether one set of scores is better than another on the same comments.

Both are resampled with the same strata and seed, so a resample has the same comments for both, and what is hard for
both cancels out of the difference.
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
"""The most that `resamples_needed` asks for because of few comments."""


class Outcome(StrEnum):
    """Whether the second set of scores is better than the first."""

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
    low, high : its interval, not corrected for other differences
    p_value : two-sided, in [0, 1]; after `corrected`, for all differences together
    verdict : by the p value, for numbers of which higher is better
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
    dof: float = math.inf,
) -> PairedDifference:
    """Return how much better ``b`` is than ``a``, with an interval and a verdict.

    Parameters
    ----------
    point_a, point_b : a number of each set of scores; NaN if undefined
    values_a, values_b : (R,) the same in R resamples, drawn with the same strata and seed
    level : of the interval; a difference is shown if its p value is at most ``1 - level``, and then the interval
        excludes 0
    dof : degrees of freedom: the number of comments of the rarer class, minus one. Resamples of few comments vary too
        little, which `expanded` corrects

    Raises
    ------
    ValueError : the numbers of resamples differ
    """
    if values_a.shape != values_b.shape:
        raise ValueError(f"{values_a.shape} values of a and {values_b.shape} of b, expected the same resamples")
    paired = values_b - values_a
    low, high = (float(end) for end in percentile_interval(paired, 1 - _unexpanded(1 - level, dof)))
    p_value = expanded(two_sided_p_value(paired), dof)
    plain = PairedDifference(float(point_b - point_a), low, high, p_value, Outcome.NOT_MEASURABLE)
    return judged(plain, 1 - level)


def expanded(p_value: float, dof: float) -> float:
    """Return the p value corrected for few comments; it is never smaller.

    Percentile intervals of resampled means are narrower than those of Student's t by ``sqrt((n - 1) / n)`` and by the
    ratio of the quantiles of the normal distribution and of t.

    Parameters
    ----------
    p_value : two-sided, from resamples
    dof : n - 1, above 0; infinity leaves the p value as it is

    References
    ----------
    Hesterberg, What teachers should know about the bootstrap, 2015: the expanded percentile interval, here inverted.
    """
    if math.isinf(dof) or math.isnan(p_value):
        return p_value
    z = -NormalDist().inv_cdf(p_value / 2)
    return student.two_sided(z * math.sqrt(dof / (dof + 1)), dof)


def _unexpanded(chance: float, dof: float) -> float:
    """Return the p value that `expanded` turns into this one."""
    if math.isinf(dof):
        return chance
    return math.erfc(student.critical(chance, dof) * math.sqrt((dof + 1) / dof / 2))


def corrected(differences: Sequence[PairedDifference], level: float = 0.95) -> tuple[PairedDifference, ...]:
    """Return the differences with p values and verdicts that hold for all of them together.

    The chance of any wrong "better" or "worse" is then at most ``1 - level``; the intervals do not change. A p value is
    at least ``2 / (R + 1)``: with fewer resamples than `resamples_needed`, hardly any difference can be shown.
    """
    p_values = holm(np.array([each.p_value for each in differences]))
    return tuple(
        judged(replace(each, p_value=float(p_value)), 1 - level)
        for each, p_value in zip(differences, p_values, strict=True)
    )


def resamples_needed(num_differences: int, level: float = 0.95, dof: float = math.inf) -> int:
    """Return the number of resamples with which one of several differences can be shown after `corrected`.

    It is twice the number at which the smallest possible p value, ``2 / (R + 1)``, passes, so that a verdict does not
    depend on a single resample. 2,000 are enough for 25 differences. Extrapolating p values with a normal tail instead
    erred as often in simulations of 60 null differences, and needs one more assumption.

    Differences of few comments need more, up to 10,000. With a handful of comments and many verdicts, none can be shown
    then, which is right.

    Parameters
    ----------
    num_differences : compared together, 1 or more
    level : as for `corrected`
    dof : the smallest degrees of freedom of the differences
    """
    needed = 4 / _unexpanded((1 - level) / num_differences, dof)
    if not math.isinf(dof):
        needed = min(needed, _MOST_RESAMPLES)
    return math.ceil(needed * (1 - 1e-12)) - 1  # tolerance: 1 - 0.95 is not exactly 0.05


def two_sided_p_value(paired: Floats) -> float:
    """Return the bootstrap p value of no difference: twice the smaller share of resamples on one side of 0.

    Parameters
    ----------
    paired : (R,) resampled differences; NaN is left out

    Returns
    -------
    float in (0, 1], never below ``2 / (R + 1)``; NaN if fewer than half of the resamples are defined

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
    """Return p values that are corrected for the number of comparisons.

    Parameters
    ----------
    p_values : (K,) in [0, 1]; NaN stays NaN and is not counted

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
    """Return a difference with its verdict: it is shown if its p value is at most ``chance``."""
    if np.isnan(each.value) or np.isnan(each.p_value):
        return replace(each, verdict=Outcome.NOT_MEASURABLE)
    # Tolerance for rounding: 1 - 0.95 is a little more than 0.05, 1 - 0.9 a little less than 0.1.
    if each.p_value > chance + 1e-12:
        return replace(each, verdict=Outcome.NOT_SHOWN)
    return replace(each, verdict=Outcome.BETTER if each.low > 0 else Outcome.WORSE)
