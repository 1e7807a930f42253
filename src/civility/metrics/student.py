"""Student's t distribution with any degrees of freedom, without SciPy: for intervals and p values of few seeds."""

import math
from statistics import NormalDist

_NORMAL_FROM = 1e7
"""Degrees of freedom from which t and the normal distribution agree to seven digits."""
_TINY = 1e-300


def two_sided(t: float, dof: float) -> float:
    """Return the chance that |T| is at least ``|t|``.

    Parameters
    ----------
    t : any number, also infinite
    dof : degrees of freedom, above 0; need not be an integer

    Returns
    -------
    float in [0, 1]

    References
    ----------
    NIST Digital Library of Mathematical Functions, 8.17: I_x(f / 2, 1 / 2) with x = f / (f + t^2).
    """
    if math.isinf(t):
        return 0.0
    if dof >= _NORMAL_FROM:
        return math.erfc(abs(t) / math.sqrt(2))
    return _incomplete_beta(dof / 2, 0.5, dof / (dof + t * t), t * t / (dof + t * t))


def critical(p: float, dof: float) -> float:
    """Return the t that |T| exceeds with probability ``p``, in (0, 1); by bisection."""
    if dof >= _NORMAL_FROM:
        return -NormalDist().inv_cdf(p / 2)
    low, high = 0.0, 1.0
    while two_sided(high, dof) > p:
        low, high = high, 2 * high
    for _ in range(200):
        middle = (low + high) / 2
        if not low < middle < high:
            break
        low, high = (middle, high) if two_sided(middle, dof) > p else (low, middle)
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
