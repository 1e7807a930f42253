"""Differences of settings of which several runs are known, that differ in their seed: two sources of noise.

A number of a run varies with the comments that it is measured on, and with the seed that it was trained with. The
comments are resampled, the same for all runs. The seeds are too few for that: of three, drawn with replacement, the
variance comes out too small by a third. So it is estimated from their spread, and Student's t takes account of how
badly so few can tell it. Knows numbers only, not what they measure.

One t for both sources together (degrees of freedom by Satterthwaite) was tried, and erred too often: in simulations of
two seeds and a p value that has to be 0.005, for many verdicts, 3 to 13 times as often as it should. The two limits
joined err at most about as often as they should, whatever the share of the sources, and mostly less.
"""

import math
from dataclasses import dataclass

import numpy as np

from civility.arrays import Floats
from civility.metrics import student
from civility.metrics.paired_test import Outcome, PairedDifference, difference, judged

_TINY = 1e-300
_ROUNDING = 1e-13
"""Differences up to here are none: a mean of runs rounds, and a pair of comments counts for more in any metric."""


@dataclass(frozen=True, eq=False)
class Pool:
    """One number of the k runs of a setting.

    Parameters
    ----------
    values : (k,) on the comments themselves; NaN where undefined
    resampled : (k, R) in R resamples of the comments, the same for all runs
    freedom : of what the comments tell, as `civility.metrics.paired_test.difference` takes it
    """

    values: Floats
    resampled: Floats
    freedom: float = math.inf

    @property
    def mean(self) -> float:
        """The setting's number; NaN if it is undefined for a run."""
        return float(self.values.mean())

    @property
    def spread(self) -> float:
        """The standard deviation over runs; NaN of a single one."""
        return float(self.values.std(ddof=1)) if len(self.values) > 1 else math.nan


@dataclass(frozen=True)
class Noise:
    """The standard errors of a difference that comments and seeds are the cause of; ``seeds`` is NaN if unknown."""

    comments: float
    seeds: float


def pooled_difference(first: Pool, other: Pool, level: float = 0.95) -> tuple[PairedDifference, Noise]:
    """Return how much better the setting ``other`` is than ``first``.

    With several runs of both, interval and p value hold for settings: for other seeds and other comments. The half
    width is the root of two squares: that of the comments, by Student's t where they are few and the normal curve where
    they are many, and that of the seeds, by Student's t with Welch's degrees of freedom. What is of comments and runs
    together (how differently the runs of a setting take the same comments) is in the spread of the runs already, and is
    not counted twice; the interval is never narrower than that of the comments alone.

    With a single run of either, nothing tells how much seeds matter: interval and p value hold for these very
    classifiers, on other comments.

    Parameters
    ----------
    first, other : measured on the same resamples
    level : of the interval

    Raises
    ------
    ValueError : not as many resamples of one as of the other

    References
    ----------
    Welch, The generalization of "Student's" problem when several different population variances are involved, 1947.
    Zou and Donner, Construction of confidence limits about effect measures: a general approach, 2008, section 2: limits
    of independent parts are joined by the squares of their distances.
    Of two sources of noise in benchmarks: Bouthillier et al., Accounting for variance in machine learning benchmarks,
    2021.
    """
    means = [one.resampled.mean(axis=0) for one in (first, other)]
    freedom = min(first.freedom, other.freedom)
    plain = difference(first.mean, other.mean, means[0], means[1], level, freedom)
    paired = means[1] - means[0]
    paired = paired[~np.isnan(paired)]
    comments = float(paired.var(ddof=1)) if len(paired) > 1 else math.nan
    if not math.isinf(freedom):
        comments *= (freedom + 1) / freedom  # resamples of n spread too little by this
    if min(len(first.values), len(other.values)) < 2 or plain.verdict is Outcome.NOT_MEASURABLE:
        return plain, Noise(math.sqrt(comments), math.nan)
    of_seeds = [float(one.values.var(ddof=1)) / len(one.values) for one in (first, other)]
    shared = sum(_of_both(one) / len(one.values) for one in (first, other))
    noise = Noise(math.sqrt(comments), math.sqrt(max(0.0, sum(of_seeds) - shared)))
    uncertain = sum(v * v / (len(one.values) - 1) for v, one in zip(of_seeds, (first, other), strict=True))
    of_seeds_freedom = sum(of_seeds) ** 2 / (uncertain or 1.0)
    limits = _Limits(comments, max(0.0, comments - shared), freedom, sum(of_seeds), of_seeds_freedom)
    value = plain.value if abs(plain.value) > _ROUNDING else 0.0
    half = limits.half(1 - level)
    certain = plain.p_value if value else 1.0
    p_value = limits.p_value(abs(value)) if half > _ROUNDING else certain
    found = PairedDifference(value, value - half, value + half, p_value, Outcome.NOT_MEASURABLE)
    return judged(found, 1 - level), noise


@dataclass(frozen=True)
class _Limits:
    """How far a difference may be from the truth.

    Parameters
    ----------
    comments : the variance of the comments, what is of runs and comments together in it
    apart : the same without that
    freedom : degrees of freedom of both
    seeds : the variance of the runs' means, by their spread, what is of runs and comments together in it
    freedom_of_seeds : degrees of freedom of that
    """

    comments: float
    apart: float
    freedom: float
    seeds: float
    freedom_of_seeds: float

    def half(self, p: float) -> float:
        """Return the half width that is exceeded with the chance p."""
        z = student.critical(p, self.freedom)
        t = student.critical(p, self.freedom_of_seeds) if self.seeds else 0.0
        return math.sqrt(max(z * z * self.comments, z * z * self.apart + t * t * self.seeds))

    def p_value(self, distance: float) -> float:
        """Return the chance with which the half width is as small as this, by bisection of t."""
        alone = student.two_sided(distance / math.sqrt(self.comments), self.freedom) if self.comments else 0.0
        if not self.seeds:
            return alone
        low, high = 0.0, distance / math.sqrt(self.seeds)
        for _ in range(60):
            middle = (low + high) / 2
            p = student.two_sided(middle, self.freedom_of_seeds)
            z = student.critical(p, self.freedom) if p > _TINY else math.inf
            if z * z * self.apart + middle * middle * self.seeds < distance * distance:
                low = middle
            else:
                high = middle
        return max(alone, student.two_sided((low + high) / 2, self.freedom_of_seeds))


def _of_both(one: Pool) -> float:
    """Return the variance that is of comments and runs together: of how a run's number departs from the runs' mean."""
    apart = one.resampled - one.resampled.mean(axis=0)
    apart = apart[:, ~np.isnan(apart).any(axis=0)]
    return float(apart.var(axis=1, ddof=1).sum()) / (len(apart) - 1)
