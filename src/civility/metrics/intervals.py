"""Confidence intervals of a share, of a resampled number, and of the difference of two shares."""

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from civility.arrays import Floats


class Ends(NamedTuple):
    """The ends of an interval; NaN if there is none."""

    low: float
    high: float


def wider(one: Ends, other: Ends) -> Ends:
    """Return the interval that includes both; if one is NaN, the other."""
    return Ends(_first_defined(min, one.low, other.low), _first_defined(max, one.high, other.high))


def _first_defined(choose: Callable[[float, float], float], one: float, other: float) -> float:
    if math.isnan(one) or math.isnan(other):
        return other if math.isnan(one) else one
    return choose(one, other)


def wilson(successes: npt.ArrayLike, trials: npt.ArrayLike, level: float = 0.95) -> tuple[Floats, Floats]:
    """Return the ends, in [0, 1], of the interval of a share; NaN for 0 trials.

    It also holds for few trials and for shares near 0 and 1. The counts are of any shape, successes from 0 to trials.

    Raises
    ------
    ValueError : a count of successes is negative or above its trials

    References
    ----------
    Wilson, Probable inference, the law of succession, and statistical inference, 1927.
    """
    found, total = np.asarray(successes, dtype=np.float64), np.asarray(trials, dtype=np.float64)
    if (found < 0).any() or (found > total).any():
        raise ValueError("successes must be from 0 to their trials")
    z = NormalDist().inv_cdf((1 + level) / 2)
    total = np.where(total > 0, total, np.nan)
    centre = (found + z**2 / 2) / (total + z**2)
    half = z / (total + z**2) * np.sqrt(found * (total - found) / total + z**2 / 4)
    # Exact at 0 and 1, where the square root would leave rounding errors.
    low = np.where(found == 0, np.where(np.isnan(total), np.nan, 0.0), centre - half)
    high = np.where(found == total, 1.0, centre + half)
    return low, high


def share_interval(successes: float, trials: float, level: float = 0.95) -> Ends:
    """Return the interval of a single share, as `wilson`."""
    low, high = wilson(successes, trials, level)
    return Ends(float(low), float(high))


def percentile_interval(values: Floats, level: float = 0.95) -> tuple[Floats, Floats]:
    """Return the interval of the middle resampled values.

    Equal ends mean that every resample gave the same value: the scores separate the classes perfectly, or a class has
    one comment. That does not prove certainty, and the caller should say so.

    Parameters
    ----------
    values : (..., R) a number in R resamples; NaN where it is undefined. With fewer than half defined, the ends are NaN
    level : share of the defined resamples inside, in (0, 1)

    References
    ----------
    Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3.
    """
    defined = ~np.isnan(values)
    enough = 2 * defined.sum(axis=-1) >= values.shape[-1]
    tails = [(1 - level) / 2, (1 + level) / 2]
    # Undefined rows are filled first, since NumPy warns about rows of NaN.
    low, high = np.nanquantile(np.where(enough[..., None], values, 0.0), tails, axis=-1)
    return np.where(enough, low, np.nan), np.where(enough, high, np.nan)


def newcombe(successes: int, trials: int, other_successes: int, other_trials: int, level: float = 0.95) -> Ends:
    """Return the interval, in [-1, 1], of the difference of two independent shares, first minus other.

    It is NaN if either has no trials.

    References
    ----------
    Newcombe, Interval estimation for the difference between independent proportions, 1998: method 10, by Wilson's.
    """
    if not trials or not other_trials:
        return Ends(math.nan, math.nan)
    share, other = successes / trials, other_successes / other_trials
    low, high = share_interval(successes, trials, level)
    other_low, other_high = share_interval(other_successes, other_trials, level)
    below = np.hypot(share - low, other_high - other)
    above = np.hypot(high - share, other - other_low)
    return Ends(share - other - float(below), share - other + float(above))
