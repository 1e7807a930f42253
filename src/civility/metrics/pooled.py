"""Differences of settings of which several runs are known, that differ in their seed: two sources of noise.

A number of a run varies with the comments that it is measured on, and with the seed that it was trained with. The
comments are resampled, the same for all runs. The seeds are too few for that: of three, drawn with replacement, the
variance comes out too small by a third. So it is estimated from their spread, and Student's t takes account of how
badly so few can tell it. Knows numbers only, not what they measure.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from civility.metrics import student
from civility.metrics.compare import Difference, Verdict, difference, judged

Float64 = npt.NDArray[np.float64]
_ROUNDING = 1e-13
"""Differences up to here are none: a mean of runs rounds, and a pair of comments counts for more in any metric."""


@dataclass(frozen=True, eq=False)
class Pool:
    """One number of the k runs of a setting.

    Parameters
    ----------
    values : (k,) on the comments themselves; NaN where undefined
    resampled : (k, R) in R resamples of the comments, the same for all runs
    """

    values: Float64
    resampled: Float64

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


def pooled_difference(first: Pool, other: Pool, level: float = 0.95) -> tuple[Difference, Noise]:
    """Return how much better the setting ``other`` is than ``first``.

    With several runs of both, the interval and the p value hold for settings: for other seeds and other comments. The
    variance is that of the comments (bootstrap), and that of the seeds (their variance by k, of each setting) less the
    part that both hold: how differently the runs of a setting take the same comments. It is never less than that of
    the comments alone. The degrees of freedom are those of Welch and Satterthwaite, in which the comments' variance
    counts as known.

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
    Satterthwaite, An approximate distribution of estimates of variance components, 1946.
    Of two sources of noise in benchmarks: Bouthillier et al., Accounting for variance in machine learning benchmarks,
    2021.
    """
    means = [one.resampled.mean(axis=0) for one in (first, other)]
    plain = difference(first.mean, other.mean, means[0], means[1], level)
    paired = means[1] - means[0]
    paired = paired[~np.isnan(paired)]
    comments = float(paired.var(ddof=1)) if len(paired) > 1 else math.nan
    if min(len(first.values), len(other.values)) < 2 or plain.verdict is Verdict.NOT_MEASURABLE:
        return plain, Noise(math.sqrt(comments), math.nan)
    of_seeds = [float(one.values.var(ddof=1)) / len(one.values) for one in (first, other)]
    shared = sum(_of_both(one) / len(one.values) for one in (first, other))
    seeds = max(0.0, sum(of_seeds) - shared)
    error = math.sqrt(comments + seeds)
    value = plain.value if abs(plain.value) > _ROUNDING else 0.0
    uncertain = sum(v * v / (len(one.values) - 1) for v, one in zip(of_seeds, (first, other), strict=True))
    freedom = max(1.0, (comments + seeds) ** 2 / uncertain) if uncertain else math.inf
    half = student.quantile(level, freedom) * error
    certain = plain.p_value if value else 1.0
    p_value = student.two_sided(value / error, freedom) if error > _ROUNDING else certain
    found = Difference(value, value - half, value + half, p_value, Verdict.NOT_MEASURABLE)
    return judged(found, 1 - level), Noise(math.sqrt(comments), math.sqrt(seeds))


def _of_both(one: Pool) -> float:
    """Return the variance that is of comments and runs together: of how a run's number departs from the runs' mean."""
    apart = one.resampled - one.resampled.mean(axis=0)
    apart = apart[:, ~np.isnan(apart).any(axis=0)]
    return float(apart.var(axis=1, ddof=1).sum()) / (len(apart) - 1)
