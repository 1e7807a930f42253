"""Intervals for shares. Knows nothing of labels, scores or files."""

import math
from statistics import NormalDist


def wilson(successes: int, trials: int, level: float = 0.95) -> tuple[float, float]:
    """Return the Wilson score interval of a share.

    Parameters
    ----------
    successes : 0 to ``trials``
    trials : independent trials
    level : share of such intervals that hold the true share, in (0, 1)

    Returns
    -------
    (low, high) in [0, 1]; NaN twice without a trial

    References
    ----------
    Wilson, Probable inference, the law of succession, and statistical inference, 1927.
    """
    if not trials:
        return math.nan, math.nan
    z = NormalDist().inv_cdf((1 + level) / 2)
    share, weight = successes / trials, z * z / trials
    middle = (share + weight / 2) / (1 + weight)
    half = z / (1 + weight) * math.sqrt(share * (1 - share) / trials + weight / (4 * trials))
    # At the ends the formula gives 0 and 1 only up to rounding.
    return (0.0 if successes == 0 else middle - half), (1.0 if successes == trials else middle + half)
