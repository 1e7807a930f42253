"""Differences between settings with several runs each, which differ in their seeds: two sources of noise.

A number of a run varies with the comments that it is measured on and with the seed of the training. The comments are
resampled, the same for all runs. The seeds are too few for that: three, drawn with replacement, give a variance that is
too small by a third. Their variance is estimated from the runs instead, and Student's t accounts for their number.

One t for both sources (degrees of freedom by Satterthwaite) erred too often: 3 to 13 times as often as it should, in
simulations of two seeds and p values of 0.005, as many verdicts need. Combining the two limits errs about as often as
it should, or less, whatever the shares of the sources.
"""

import math
from dataclasses import dataclass

import numpy as np

from civility.arrays import Floats
from civility.metrics import student
from civility.metrics.paired_test import Outcome, PairedDifference, difference, judged

_TINY = 1e-300
_ROUNDING = 1e-13
"""Smaller differences are rounding errors of a mean of runs; a single pair of comments counts for more."""


@dataclass(frozen=True, eq=False)
class Pool:
    """One number of the k runs of a setting.

    Parameters
    ----------
    values : (k,) on the comments themselves; NaN where undefined
    resampled : (k, R) on R resamples of the comments, the same for all runs
    dof : degrees of freedom of the comments, as for `civility.metrics.paired_test.difference`
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


@dataclass(frozen=True)
class Noise:
    """The standard errors of a difference that come from the comments and from the seeds; NaN if unknown."""

    comments: float
    seeds: float


def pooled_difference(first: Pool, other: Pool, level: float = 0.95) -> tuple[PairedDifference, Noise]:
    """Return how much better the setting ``other`` is than ``first``.

    With several runs of both, interval and p value hold for the settings: for other seeds and other comments. The
    squared half width is the sum of two squares: that of the comments, by Student's t (or the normal distribution for
    many), and that of the seeds, by Student's t with Welch's degrees of freedom. The interaction of comments and runs
    is part of the variance of the runs and is not counted twice. The interval is never narrower than that of the
    comments alone.

    With a single run of either, the effect of the seed is unknown: interval and p value hold for these classifiers, on
    other comments.

    Parameters
    ----------
    first, other : measured on the same resamples
    level : of the interval

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
    means = [one.resampled.mean(axis=0) for one in (first, other)]
    dof = min(first.dof, other.dof)
    plain = difference(first.mean, other.mean, means[0], means[1], level, dof)
    paired = means[1] - means[0]
    paired = paired[~np.isnan(paired)]
    comments = float(paired.var(ddof=1)) if len(paired) > 1 else math.nan
    if not math.isinf(dof):
        comments *= (dof + 1) / dof  # resamples of n comments vary too little by this factor
    if min(len(first.values), len(other.values)) < 2 or plain.verdict is Outcome.NOT_MEASURABLE:
        return plain, Noise(math.sqrt(comments), math.nan)
    of_seeds = [float(one.values.var(ddof=1)) / len(one.values) for one in (first, other)]
    shared = sum(_interaction(one) / len(one.values) for one in (first, other))
    noise = Noise(math.sqrt(comments), math.sqrt(max(0.0, sum(of_seeds) - shared)))
    uncertain = sum(v * v / (len(one.values) - 1) for v, one in zip(of_seeds, (first, other), strict=True))
    seeds_dof = sum(of_seeds) ** 2 / (uncertain or 1.0)
    limits = _Limits(comments, max(0.0, comments - shared), dof, sum(of_seeds), seeds_dof)
    value = plain.value if abs(plain.value) > _ROUNDING else 0.0
    half = limits.half(1 - level)
    certain = plain.p_value if value else 1.0
    p_value = limits.p_value(abs(value)) if half > _ROUNDING else certain
    found = PairedDifference(value, value - half, value + half, p_value, Outcome.NOT_MEASURABLE)
    return judged(found, 1 - level), noise


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
        z = student.critical(p, self.dof)
        t = student.critical(p, self.seeds_dof) if self.seeds else 0.0
        return math.sqrt(max(z * z * self.comments, z * z * self.apart + t * t * self.seeds))

    def p_value(self, distance: float) -> float:
        """Return the p at which the half width equals this distance, by bisection of t."""
        alone = student.two_sided(distance / math.sqrt(self.comments), self.dof) if self.comments else 0.0
        if not self.seeds:
            return alone
        low, high = 0.0, distance / math.sqrt(self.seeds)
        for _ in range(60):
            middle = (low + high) / 2
            p = student.two_sided(middle, self.seeds_dof)
            z = student.critical(p, self.dof) if p > _TINY else math.inf
            if z * z * self.apart + middle * middle * self.seeds < distance * distance:
                low = middle
            else:
                high = middle
        return max(alone, student.two_sided((low + high) / 2, self.seeds_dof))


def _interaction(one: Pool) -> float:
    """Return the variance from the interaction of comments and runs: of a run's deviation from the mean of the runs."""
    apart = one.resampled - one.resampled.mean(axis=0)
    apart = apart[:, ~np.isnan(apart).any(axis=0)]
    return float(apart.var(axis=1, ddof=1).sum()) / (len(apart) - 1)
