"""Confidence intervals of a share, of a resampled number, and of the difference of two shares."""

from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from civility.arrays import Floats


def wilson(successes: npt.ArrayLike, trials: npt.ArrayLike, level: float = 0.95) -> tuple[Floats, Floats]:
    """Return the interval of a share; it also holds for few trials and for shares near 0 and 1.

    Parameters
    ----------
    successes : counts of any shape, 0 to ``trials``
    trials : counts of the same shape
    level : confidence, in (0, 1)

    Returns
    -------
    low, high : of that shape, in [0, 1]; NaN for 0 trials

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


def percentile_interval(values: Floats, level: float = 0.95) -> tuple[Floats, Floats]:
    """Return the interval of the middle resampled values.

    Equal ends mean that every resample gave the same value: the scores separate the classes perfectly, or a class has
    one comment. That does not prove certainty, and the caller should say so.

    Parameters
    ----------
    values : (..., R) a number in R resamples; NaN where it is undefined
    level : share of the defined resamples inside, in (0, 1)

    Returns
    -------
    low, high : (...); NaN if fewer than half of the resamples are defined

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


def newcombe(
    successes: int, trials: int, other_successes: int, other_trials: int, level: float = 0.95
) -> tuple[float, float]:
    """Return the interval of the difference of two independent shares, first minus other.

    Parameters
    ----------
    successes, trials : of the first share
    other_successes, other_trials : of the one that is subtracted
    level : confidence, in (0, 1)

    Returns
    -------
    low, high : in [-1, 1]; NaN if either has no trials

    References
    ----------
    Newcombe, Interval estimation for the difference between independent proportions, 1998: method 10, by Wilson's.
    """
    if not trials or not other_trials:
        return float("nan"), float("nan")
    share, other = successes / trials, other_successes / other_trials
    low, high = (float(end) for end in wilson(successes, trials, level))
    other_low, other_high = (float(end) for end in wilson(other_successes, other_trials, level))
    below = np.hypot(share - low, other_high - other)
    above = np.hypot(high - share, other - other_low)
    return share - other - float(below), share - other + float(above)
