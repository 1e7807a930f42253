"""Whether one set of scores is better than another on the same comments, for single runs and for settings of several.

Both are resampled with the same strata and seed, so a resample has the same comments for both, and what is hard for
both cancels out of the difference.

A number of a run varies with the comments that it is measured on and with the seed of the training. The seeds are too
few to resample: three, drawn with replacement, give a variance that is too small by a third. Their variance is
estimated from the runs instead, and Student's t accounts for their number. One t for both sources (degrees of freedom
by Satterthwaite) erred 3 to 13 times as often as it should, in simulations of two seeds and p values of 0.005, as many
verdicts need. Combining the two limits errs about as often as it should, or less, whatever the shares of the sources.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from statistics import NormalDist

import numpy as np

from civility.arrays import Floats
from civility.metrics.intervals import percentile_interval

_MOST_RESAMPLES = 10_000
"""The most that `resamples_needed` asks for because of few comments."""
_NORMAL_FROM = 1e7
"""Degrees of freedom from which t and the normal distribution agree to seven digits."""
_TINY = 1e-300
_ROUNDING = 1e-13
"""Smaller differences are rounding errors of a mean of runs; a single pair of comments counts for more."""


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
    dof : the number of comments of the rarer class, minus one. Resamples of few comments vary too little, which
        `expanded` corrects

    Raises
    ------
    ValueError : the numbers of resamples differ
    """
    if values_a.shape != values_b.shape:
        raise ValueError(f"{values_a.shape} values of a and {values_b.shape} of b, expected the same resamples")
    paired = values_b - values_a
    low, high = (float(end) for end in percentile_interval(paired, 1 - _unexpanded(1 - level, dof)))
    p_value = expanded(two_sided_p_value(paired), dof)
    return _judged(
        PairedDifference(float(point_b - point_a), low, high, p_value, Outcome.NOT_MEASURABLE),
        1 - level,
    )


def expanded(p_value: float, dof: float) -> float:
    """Return a two-sided p value from resamples, corrected for few comments; it is never smaller.

    Percentile intervals of resampled means are narrower than those of Student's t by ``sqrt((n - 1) / n)`` and by the
    ratio of the quantiles of the normal distribution and of t. The degrees of freedom are n - 1, above 0.

    References
    ----------
    Hesterberg, What teachers should know about the bootstrap, 2015: the expanded percentile interval, here inverted.
    """
    if math.isinf(dof) or math.isnan(p_value):
        return p_value
    z = -NormalDist().inv_cdf(p_value / 2)
    return t_two_sided(z * math.sqrt(dof / (dof + 1)), dof)


def _unexpanded(chance: float, dof: float) -> float:
    """Return the p value that `expanded` turns into this one."""
    if math.isinf(dof):
        return chance
    return math.erfc(t_critical(chance, dof) * math.sqrt((dof + 1) / dof / 2))


def corrected(differences: Sequence[PairedDifference], level: float = 0.95) -> tuple[PairedDifference, ...]:
    """Return the differences with p values and verdicts that hold for all of them together.

    The chance of any wrong "better" or "worse" is then at most ``1 - level``; the intervals do not change. A p value is
    at least ``2 / (R + 1)``: with fewer resamples than `resamples_needed`, hardly any difference can be shown.
    """
    p_values = holm(np.array([each.p_value for each in differences]))
    return tuple(
        _judged(replace(each, p_value=float(p_value)), 1 - level)
        for each, p_value in zip(differences, p_values, strict=True)
    )


def resamples_needed(num_differences: int, level: float = 0.95, dof: float = math.inf) -> int:
    """Return the number of resamples with which one of several differences can be shown after `corrected`.

    It is twice the number at which the smallest possible p value, ``2 / (R + 1)``, passes, so that a verdict does not
    depend on a single resample. 2,000 are enough for 25 differences. Extrapolating p values with a normal tail instead
    erred as often in simulations of 60 null differences, and needs one more assumption.

    Differences of few comments (``dof`` is the smallest of theirs) need more, up to 10,000. With a handful of comments
    and many verdicts, none can be shown then, which is right.
    """
    needed = 4 / _unexpanded((1 - level) / num_differences, dof)
    if not math.isinf(dof):
        needed = min(needed, _MOST_RESAMPLES)
    return math.ceil(needed * (1 - 1e-12)) - 1  # tolerance: 1 - 0.95 is not exactly 0.05


def two_sided_p_value(paired: Floats) -> float:
    """Return the bootstrap p value of no difference: twice the smaller share of (R,) differences on one side of 0.

    Undefined ones (NaN) are left out; NaN if most are. It is never below ``2 / (R + 1)``.

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
    """Return (K,) p values corrected for the number of comparisons; NaN stays NaN and is not counted.

    References
    ----------
    Holm, A simple sequentially rejective multiple test procedure, 1979.
    """
    adjusted = np.full(len(p_values), np.nan)
    order = np.argsort(p_values)[: int((~np.isnan(p_values)).sum())]  # NaN is sorted to the end
    left = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(left * p_values[order]))
    return adjusted


def _judged(each: PairedDifference, chance: float) -> PairedDifference:
    """Return a difference with its verdict: it is shown if its p value is at most ``chance``."""
    if np.isnan(each.value) or np.isnan(each.p_value):
        return replace(each, verdict=Outcome.NOT_MEASURABLE)
    # Tolerance for rounding: 1 - 0.95 is a little more than 0.05, 1 - 0.9 a little less than 0.1.
    if each.p_value > chance + 1e-12:
        return replace(each, verdict=Outcome.NOT_SHOWN)
    return replace(each, verdict=Outcome.BETTER if each.low > 0 else Outcome.WORSE)


@dataclass(frozen=True, eq=False)
class Pool:
    """One number of the k runs of a setting.

    Parameters
    ----------
    values : (k,) on the comments themselves; NaN where undefined
    resampled : (k, R) on R resamples of the comments, the same for all runs
    dof : degrees of freedom of the comments, as for `difference`
    """

    values: Floats
    resampled: Floats
    dof: float = math.inf

    @property
    def mean(self) -> float:
        """The mean over the runs; NaN if it is undefined for a run."""
        return float(self.values.mean())

    @property
    def standard_deviation(self) -> float:
        """The standard deviation over the runs; NaN for a single run."""
        return float(self.values.std(ddof=1)) if len(self.values) > 1 else math.nan

    @property
    def interaction(self) -> float:
        """Variance from the interaction of comments and runs: of a run's deviation from the mean of the runs."""
        apart = self.resampled - self.resampled.mean(axis=0)
        apart = apart[:, ~np.isnan(apart).any(axis=0)]
        return float(apart.var(axis=1, ddof=1).sum()) / (len(apart) - 1)


@dataclass(frozen=True)
class Noise:
    """The standard errors of a difference that come from the comments and from the seeds; NaN if unknown."""

    comments: float
    seeds: float


def pooled_difference(first: Pool, other: Pool, level: float = 0.95) -> tuple[PairedDifference, Noise]:
    """Return how much better the setting ``other`` is than ``first``, both measured on the same resamples.

    With several runs of both, interval and p value hold for the settings: for other seeds and other comments. The
    squared half width is the sum of two squares: that of the comments, by Student's t (or the normal distribution for
    many), and that of the seeds, by Student's t with Welch's degrees of freedom. The interaction of comments and runs
    is part of the variance of the runs and is not counted twice. The interval is never narrower than that of the
    comments alone.

    With a single run of either, the effect of the seed is unknown: interval and p value hold for these classifiers, on
    other comments.

    Raises
    ------
    ValueError : the numbers of resamples differ

    References
    ----------
    Welch, The generalization of "Student's" problem when several different population variances are involved, 1947.
    Zou and Donner, Construction of confidence limits about effect measures: a general approach, 2008, section 2: limits
    of independent parts are combined by the squares of their distances.
    Two sources of noise in benchmarks: Bouthillier et al., Accounting for variance in machine learning benchmarks,
    2021.
    """
    pools = (first, other)
    means = [one.resampled.mean(axis=0) for one in pools]
    dof = min(first.dof, other.dof)
    plain = difference(first.mean, other.mean, means[0], means[1], level, dof)
    paired = means[1] - means[0]
    paired = paired[~np.isnan(paired)]
    comments = float(paired.var(ddof=1)) if len(paired) > 1 else math.nan
    if not math.isinf(dof):
        comments *= (dof + 1) / dof  # resamples of n comments vary too little by this factor
    if min(len(first.values), len(other.values)) < 2 or plain.verdict is Outcome.NOT_MEASURABLE:
        return plain, Noise(math.sqrt(comments), math.nan)
    of_seeds = [float(one.values.var(ddof=1)) / len(one.values) for one in pools]
    shared = sum(one.interaction / len(one.values) for one in pools)
    noise = Noise(math.sqrt(comments), math.sqrt(max(0.0, sum(of_seeds) - shared)))
    uncertain = sum(v * v / (len(one.values) - 1) for v, one in zip(of_seeds, pools, strict=True))
    seeds_dof = sum(of_seeds) ** 2 / (uncertain or 1.0)
    limits = _Limits(comments, max(0.0, comments - shared), dof, sum(of_seeds), seeds_dof)
    value = plain.value if abs(plain.value) > _ROUNDING else 0.0
    half = limits.half(1 - level)
    certain = plain.p_value if value else 1.0
    p_value = limits.p_value(abs(value)) if half > _ROUNDING else certain
    found = PairedDifference(value, value - half, value + half, p_value, Outcome.NOT_MEASURABLE)
    return _judged(found, 1 - level), noise


@dataclass(frozen=True)
class _Limits:
    """How far a difference may be from its true value.

    Parameters
    ----------
    comments : variance from the comments, with the interaction of runs and comments
    apart : variance from the comments, without the interaction
    dof : degrees of freedom of both
    seeds : variance of the mean over runs, with the interaction
    seeds_dof : degrees of freedom of ``seeds``
    """

    comments: float
    apart: float
    dof: float
    seeds: float
    seeds_dof: float

    def half(self, p: float) -> float:
        """Return the half width that is exceeded with probability p."""
        z = t_critical(p, self.dof)
        t = t_critical(p, self.seeds_dof) if self.seeds else 0.0
        return math.sqrt(max(z * z * self.comments, z * z * self.apart + t * t * self.seeds))

    def p_value(self, distance: float) -> float:
        """Return the p at which the half width equals this distance, by bisection of t."""
        alone = t_two_sided(distance / math.sqrt(self.comments), self.dof) if self.comments else 0.0
        if not self.seeds:
            return alone
        low, high = 0.0, distance / math.sqrt(self.seeds)
        for _ in range(60):
            middle = (low + high) / 2
            p = t_two_sided(middle, self.seeds_dof)
            z = t_critical(p, self.dof) if p > _TINY else math.inf
            if z * z * self.apart + middle * middle * self.seeds < distance * distance:
                low = middle
            else:
                high = middle
        return max(alone, t_two_sided((low + high) / 2, self.seeds_dof))


def t_two_sided(t: float, dof: float) -> float:
    """Return the chance that |T| is at least ``|t|``, also infinite, by Student's t distribution; without SciPy.

    The degrees of freedom are above 0 and need not be an integer.

    References
    ----------
    NIST Digital Library of Mathematical Functions, 8.17: I_x(f / 2, 1 / 2) with x = f / (f + t^2).
    """
    if math.isinf(t):
        return 0.0
    if dof >= _NORMAL_FROM:
        return math.erfc(abs(t) / math.sqrt(2))
    return _incomplete_beta(dof / 2, 0.5, dof / (dof + t * t), t * t / (dof + t * t))


def t_critical(p: float, dof: float) -> float:
    """Return the t that |T| exceeds with probability ``p``, in (0, 1); by bisection."""
    if dof >= _NORMAL_FROM:
        return -NormalDist().inv_cdf(p / 2)
    low, high = 0.0, 1.0
    while t_two_sided(high, dof) > p:
        low, high = high, 2 * high
    for _ in range(200):
        middle = (low + high) / 2
        if not low < middle < high:
            break
        low, high = (middle, high) if t_two_sided(middle, dof) > p else (low, middle)
    return (low + high) / 2


def _incomplete_beta(a: float, b: float, x: float, rest: float) -> float:
    """Return the regularized I_x(a, b); ``rest`` is 1 - x, passed separately because it may be tiny."""
    if x <= 0 or rest <= 0:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):  # the fraction converges slowly: use the other tail
        return 1 - _incomplete_beta(b, a, rest, x)
    logarithm = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log(rest)
    return math.exp(logarithm) / a / _fraction(a, b, x)


def _fraction(a: float, b: float, x: float) -> float:
    """Return the continued fraction of DLMF 8.17.22, by Lentz's method."""
    value, above, below = 1.0, 1.0, 0.0
    for i in range(1, 10_000):
        m = i // 2
        if i % 2:
            step = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            step = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        below = 1 / (1 + step * below or _TINY)
        above = 1 + step / above or _TINY
        value *= above * below
        if abs(above * below - 1) < 1e-15:
            break
    return value
