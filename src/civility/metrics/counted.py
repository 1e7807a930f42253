"""Metrics of a resample, computed from how often each comment was drawn: the statistics that `resampling` measures.

What depends on scores and targets alone, mainly sorting, happens once, when a statistic is made. For a resample, only
counts are selected and summed.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from civility.arrays import POSITIVE_FROM, AnyFloats, Bools, Decisions, Draws, Floats, Ints
from civility.metrics.ranking import known_classes


class Ranking:
    """ROC AUC, average precision and recall at false-positive rates, exact for ties.

    Every number is NaN in a resample without positives or without negatives. With each comment drawn once, the numbers
    equal those of `civility.metrics.ranking`.

    Parameters
    ----------
    targets : (N,) in [0, 1]; positive from 0.5 up; NaN is left out
    scores : (N,) any monotone score
    fprs : the false-positive rates, in [0, 1], at which recall is measured

    Raises
    ------
    ValueError : the shapes differ, or the score of a known target is NaN
    """

    def __init__(self, targets: AnyFloats, scores: AnyFloats, fprs: Sequence[float] = (0.01, 0.001)) -> None:
        positive, known_scores = known_classes(targets, scores)
        self._sweep = _Sweep(np.flatnonzero(~np.isnan(targets)), positive, known_scores)
        self._fprs = tuple(fprs)
        self.names = ("roc_auc", "average_precision", *(f"recall_at_fpr_{fpr:g}" for fpr in fprs))

    def measure(self, counts: Draws) -> Floats:
        """Return the (K, R) numbers of (N, R) counts."""
        hits, false, _ = flagged = self._sweep.flagged(counts)
        gain = np.diff(hits, axis=1)
        num_positive, num_negative = hits[:, -1], false[:, -1]
        taken = np.maximum(hits + false, 1)[:, 1:-1]  # where nothing is drawn, the gain is 0: any divisor will do
        precision = np.einsum("ru,ru,ru->r", gain[:, :-1], hits[:, 1:-1], 1 / taken)
        share = false[:, :-1] / np.maximum(num_negative, 1)[:, None]
        recalls = [
            np.take_along_axis(hits, (share <= fpr).sum(axis=1, keepdims=True) - 1, axis=1)[:, 0] for fpr in self._fprs
        ]
        defined = (num_positive > 0) & (num_negative > 0)
        numbers = np.stack([_area(*flagged), *(_ratio(each, num_positive) for each in (precision, *recalls))])
        return np.where(defined, numbers, np.nan)


class Auc:
    """ROC AUC of some of the comments, as for `civility.metrics.bias.rows_of`.

    Parameters
    ----------
    rows : (M,) which of the N comments, each once
    positive : (M,) bool
    scores : (M,) any monotone score, none NaN
    """

    names = ("roc_auc",)

    def __init__(self, rows: Ints, positive: Bools, scores: AnyFloats) -> None:
        # The cost of a sweep grows with its positives: swap the classes if positives are more frequent.
        self._swapped = bool(2 * positive.sum() > len(positive))
        self._sweep = _Sweep(rows, positive ^ self._swapped, -scores if self._swapped else scores)

    def measure(self, counts: Draws) -> Floats:
        """Return the (1, R) areas of (N, R) counts; NaN without positives or without negatives."""
        return _area(*self._sweep.flagged(counts))[None]


class Decided:
    """Precision, recall and F1 of decisions.

    Precision is NaN if nothing is flagged; recall and F1 are NaN without positives. F1 is 0 if no positive is flagged.

    Parameters
    ----------
    targets : (N,) in [0, 1]; positive from 0.5 up; NaN is left out
    flagged : (N,) bool: score >= threshold
    """

    names = ("precision", "recall", "f1")

    def __init__(self, targets: AnyFloats, flagged: Decisions) -> None:
        self._hits = np.flatnonzero(flagged & (targets >= POSITIVE_FROM))
        self._false = np.flatnonzero(flagged & (targets < POSITIVE_FROM))
        self._positive = np.flatnonzero(targets >= POSITIVE_FROM)

    def measure(self, counts: Draws) -> Floats:
        """Return the (3, R) numbers of (N, R) counts."""
        hits, false, num_positive = (_total(counts, rows) for rows in (self._hits, self._false, self._positive))
        f1 = np.where(num_positive > 0, _ratio(2 * hits, hits + false + num_positive), np.nan)
        return np.stack([_ratio(hits, hits + false), _ratio(hits, num_positive), f1])


class Means:
    """Means over comments, such as the Brier score and log loss.

    Parameters
    ----------
    names : of the K columns
    values : (N, K) finite; NaN is left out of its column's mean
    """

    def __init__(self, names: Sequence[str], values: AnyFloats) -> None:
        self.names = tuple(names)
        exact = np.asarray(values, dtype=np.float64)
        known = ~np.isnan(exact)
        self._values = np.where(known, exact, 0.0)
        self._unknown = [np.flatnonzero(~column) for column in known.T]

    def measure(self, counts: Draws) -> Floats:
        """Return the (K, R) means of (N, R) counts; NaN if all values are NaN."""
        drawn = counts.sum(axis=0, dtype=np.int32)
        num_known = np.stack([drawn - _total(counts, rows) for rows in self._unknown])
        return _ratio((counts.T.astype(np.float64) @ self._values).T, num_known)


class _Sweep:
    """The comments that are flagged as the threshold falls past each distinct score of a positive.

    Between two such scores only negatives are added, so no other thresholds are needed: U, at most the number of
    positives, instead of N.
    """

    def __init__(self, rows: Ints, positive: Bools, scores: AnyFloats) -> None:
        positives, negatives = scores[positive], scores[~positive]
        falling, rising_positives, rising_negatives = np.unique(positives)[::-1], np.sort(positives), np.sort(negatives)
        # How many of the sorted rows each threshold flags; at the ends none and all.
        hits = _with_ends(len(positives) - np.searchsorted(rising_positives, falling), len(positives))
        false = _with_ends(len(negatives) - np.searchsorted(rising_negatives, falling), len(negatives))
        above = _with_ends(len(negatives) - np.searchsorted(rising_negatives, falling, side="right"), len(negatives))
        self._positives = _Cumulated(rows[positive][np.argsort(-positives)], hits)
        self._negatives = _Cumulated(rows[~positive][np.argsort(-negatives)], np.stack([false, above]))

    def flagged(self, counts: Draws) -> tuple[Floats, Floats, Floats]:
        """Return how many of the drawn comments are flagged, for (N, R) counts.

        Returns
        -------
        hits, false : (R, U + 2) positives and negatives that score at least the threshold: none, then at the U falling
            thresholds, then all
        above : (R, U + 2) negatives that score more than the threshold: ``false`` without ties
        """
        false = self._negatives.drawn(counts)
        return self._positives.drawn(counts), false[:, 0], false[:, 1]


def _with_ends(flagged: Ints, num: int) -> npt.NDArray[np.intp]:
    return np.concatenate([[0], flagged, [num]])


class _Cumulated:
    """How often the first k of some rows were drawn, for several k.

    Parameters
    ----------
    rows : (M,) among the N comments
    at : (...) the k, which include 0 and M
    """

    def __init__(self, rows: Ints, at: Ints) -> None:
        self._rows = rows
        ends = np.unique(at)
        if 2 * len(ends) > len(rows):  # sums of so few rows do not save time
            ends = np.arange(len(rows) + 1)
        self._starts, self._place = ends[:-1], np.searchsorted(ends, at)

    def drawn(self, counts: Draws) -> Floats:
        """Return (R, ...) sums of (N, R) counts.

        Rows are summed between one k and the next, and only these sums are cumulated: for 160,000 rows and the few
        hundred k of a rare label this takes half the time.
        """
        taken = np.take(counts.T, self._rows, axis=1)
        sums = np.zeros((len(taken), len(self._starts) + 1))
        if len(self._starts) < len(self._rows):
            between = np.add.reduceat(taken, self._starts, axis=1, dtype=np.int32)  # a sum is about N
        else:
            between = taken
        np.cumsum(between, axis=1, out=sums[:, 1:])
        return np.take(sums, self._place, axis=1)


def _area(hits: Floats, false: Floats, above: Floats) -> Floats:
    """Return (R,) the share of pairs in the right order, ties counted half; NaN if there are none."""
    num_negative = false[:, -1]
    below = num_negative[:, None] - (false + above)[:, 1:] / 2  # each threshold, with half of its ties
    return _ratio(np.einsum("ru,ru->r", np.diff(hits, axis=1), below), hits[:, -1] * num_negative)


def _total(counts: Draws, rows: Ints) -> npt.NDArray[np.int32]:
    """Return (R,) how often any of the rows was drawn."""
    total: npt.NDArray[np.int32] = np.take(counts.T, rows, axis=1).sum(axis=1, dtype=np.int32)
    return total


def _ratio(above: npt.NDArray[np.number], below: npt.NDArray[np.number]) -> Floats:
    """Return the quotient; NaN where the divisor is 0."""
    above, below = np.broadcast_arrays(above, below)
    quotient = np.full(above.shape, np.nan)
    np.divide(above, below, out=quotient, where=below > 0)
    return quotient
