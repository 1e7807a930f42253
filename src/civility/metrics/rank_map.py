"""The rank of a score among the scores of known comments, to average classifiers with different scales."""

from dataclasses import dataclass

import numpy as np

from civility.arrays import AnyFloats, Float32s, Floats

_KNOTS = 257
"""Enough for a smooth map of any sample; dense at both ends, where comments of rare labels are."""


@dataclass(frozen=True, eq=False)
class RankMap:
    """An increasing map from a logit to the share of known logits below it, in (0, 1).

    The rank of a comment does not depend on other comments that are scored. The map is linear between the knots; beyond
    the outermost it approaches 0 or 1 exponentially, so that logits keep their order even there.

    Parameters
    ----------
    logits : (K,) increasing
    ranks : (K,) increasing, in (0, 1)

    Raises
    ------
    ValueError : the numbers are not such a map
    """

    logits: Floats
    ranks: Floats

    def __post_init__(self) -> None:
        if self.logits.ndim != 1 or self.logits.shape != self.ranks.shape or not len(self.logits):
            raise ValueError("a rank map needs a rank for each of its logits")
        if not np.isfinite(self.logits).all() or (np.diff(self.logits) <= 0).any() or (np.diff(self.ranks) <= 0).any():
            raise ValueError("the logits or ranks of a rank map do not increase")
        if self.ranks[0] <= 0 or self.ranks[-1] >= 1:
            raise ValueError("a rank is outside (0, 1)")

    @classmethod
    def of(cls, logits: AnyFloats) -> "RankMap":
        """Return the map of a sample: the mean rank of each distinct logit, divided by their number.

        Parameters
        ----------
        logits : (N,) finite, N from 1 up
        """
        values, counts = np.unique(np.asarray(logits, dtype=np.float64), return_counts=True)
        ranks = (np.cumsum(counts) - counts / 2) / counts.sum()
        if len(values) > _KNOTS:
            widest = np.log(2 * counts.sum())
            wanted = 1 / (1 + np.exp(-np.linspace(-widest, widest, _KNOTS)))
            kept = np.unique(np.clip(np.searchsorted(ranks, wanted), 0, len(values) - 1))
            kept = np.union1d(kept, [0, len(values) - 1])
            values, ranks = values[kept], ranks[kept]
        return cls(values, ranks)

    def apply(self, logits: AnyFloats) -> Floats:
        """Return the rank of each logit, float64 in [0, 1], of the same shape; NaN stays NaN."""
        exact = np.asarray(logits, dtype=np.float64)
        inside = np.interp(exact, self.logits, self.ranks)
        below, above = np.minimum(exact - self.logits[0], 0), np.maximum(exact - self.logits[-1], 0)
        return np.asarray(1 - (1 - inside * np.exp(below)) * np.exp(-above))


def rank_maps(logits: Float32s) -> tuple[RankMap, ...]:
    """Return a map for each column of (N, L) logits."""
    return tuple(RankMap.of(column) for column in logits.T)
