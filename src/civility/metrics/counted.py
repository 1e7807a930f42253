"""Metrics as functions of how often each comment was drawn: the statistics that `resampling` measures.

Everything that depends on scores and targets alone, sorting above all, is done once, when a statistic is made. What
is left for a resample is to pick counts and to add them up.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from civility.arrays import AnyFloats, Bools, Decisions, Draws, Floats, Ints
from civility.data.dataset import POSITIVE_FROM
from civility.metrics.ranking import known_classes


class Ranking:
    """ROC AUC, average precision and recall at false-positive rates, exact for ties.

    Every number is NaN in a resample without a positive or without a negative. For one resample they are those of
    `ranking`.

    Parameters
    ----------
    targets : (N,) in [0, 1]; positive from 0.5 up; NaN is left out
    scores : (N,) any monotone score
    fprs : the false-positive rates, each with the recall of its own

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
        taken = np.maximum(hits + false, 1)[:, 1:-1]  # nothing drawn, nothing gained: any number will do
        precision = np.einsum("ru,ru,ru->r", gain[:, :-1], hits[:, 1:-1], 1 / taken)
        share = false[:, :-1] / np.maximum(num_negative, 1)[:, None]
        recalls = [
            np.take_along_axis(hits, (share <= fpr).sum(axis=1, keepdims=True) - 1, axis=1)[:, 0] for fpr in self._fprs
        ]
        defined = (num_positive > 0) & (num_negative > 0)
        numbers = np.stack([_area(*flagged), *(_ratio(each, num_positive) for each in (precision, *recalls))])
        return np.where(defined, numbers, np.nan)


class Auc:
    """ROC AUC of some of the comments: of a subgroup, or of one side in a group and the other outside it.

    Parameters
    ----------
    rows : (M,) which of the N comments, each once
    positive : (M,) bool
    scores : (M,) any monotone score, none NaN
    """

    names = ("roc_auc",)

    def __init__(self, rows: Ints, positive: Bools, scores: AnyFloats) -> None:
        # A sweep costs most by its positives: the rarer class is taken for them, and the scores turned round.
        self._swapped = bool(2 * positive.sum() > len(positive))
        self._sweep = _Sweep(rows, positive ^ self._swapped, -scores if self._swapped else scores)

    def measure(self, counts: Draws) -> Floats:
        """Return the (1, R) areas of (N, R) counts; NaN without a positive or without a negative."""
        return _area(*self._sweep.flagged(counts))[None]


class Decided:
    """Precision, recall and F1 of decisions.

    Precision is NaN where nothing is flagged; recall and F1 without a positive. F1 is 0 where no positive is flagged.

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
        """Return the (K, R) means of (N, R) counts; NaN where no comment is known."""
        drawn = counts.sum(axis=0, dtype=np.int32)
        num_known = np.stack([drawn - _total(counts, rows) for rows in self._unknown])
        return _ratio((counts.T.astype(np.float64) @ self._values).T, num_known)


class _Sweep:
    """What a threshold flags as it falls past each distinct score of a positive.

    Between two such scores only negatives are added, so that no other threshold is needed: what tells metrics apart
    are U thresholds for at most as many positives, not N.
    """

    def __init__(self, rows: Ints, positive: Bools, scores: AnyFloats) -> None:
        positives, negatives = scores[positive], scores[~positive]
        falling, rising_positives, rising_negatives = np.unique(positives)[::-1], np.sort(positives), np.sort(negatives)
        # How many of the falling rows each threshold flags; before them none, after them all.
        hits = _with_ends(len(positives) - np.searchsorted(rising_positives, falling), len(positives))
        false = _with_ends(len(negatives) - np.searchsorted(rising_negatives, falling), len(negatives))
        above = _with_ends(len(negatives) - np.searchsorted(rising_negatives, falling, side="right"), len(negatives))
        self._positives = _Cumulated(rows[positive][np.argsort(-positives)], hits)
        self._negatives = _Cumulated(rows[~positive][np.argsort(-negatives)], np.stack([false, above]))

    def flagged(self, counts: Draws) -> tuple[Floats, Floats, Floats]:
        """Return how many drawn comments are flagged, of (N, R) counts.

        Returns
        -------
        hits, false : (R, U + 2) positives and negatives with at least the score of each threshold: first none, then
            at the U falling thresholds, then all
        above : (R, U + 2) negatives with more than that score; differs from ``false`` by ties
        """
        false = self._negatives.drawn(counts)
        return self._positives.drawn(counts), false[:, 0], false[:, 1]


def _with_ends(flagged: Ints, num: int) -> npt.NDArray[np.intp]:
    return np.concatenate([[0], flagged, [num]])


class _Cumulated:
    """How often the first so many of some rows were drawn.

    Parameters
    ----------
    rows : (M,) among the N comments
    at : (...) how many of the rows, 0 and M among them
    """

    def __init__(self, rows: Ints, at: Ints) -> None:
        self._rows = rows
        ends = np.unique(at)
        if 2 * len(ends) > len(rows):  # hardly two rows go together: not worth adding up apart
            ends = np.arange(len(rows) + 1)
        self._starts, self._place = ends[:-1], np.searchsorted(ends, at)

    def drawn(self, counts: Draws) -> Floats:
        """Return (R, ...) sums of (N, R) counts.

        Rows are added up between one end and the next, and only these sums cumulated: of 160,000 rows and a rare
        label's few hundred ends that takes half of the time of cumulating every row.
        """
        taken = np.take(counts.T, self._rows, axis=1)
        sums = np.zeros((len(taken), len(self._starts) + 1))
        if len(self._starts) < len(self._rows):
            between = np.add.reduceat(taken, self._starts, axis=1, dtype=np.int32)  # a sum is about as many as N
        else:
            between = taken
        np.cumsum(between, axis=1, out=sums[:, 1:])
        return np.take(sums, self._place, axis=1)


def _area(hits: Floats, false: Floats, above: Floats) -> Floats:
    """Return (R,) the share of pairs in the right order, ties counted half; NaN without a pair."""
    num_negative = false[:, -1]
    below = num_negative[:, None] - (false + above)[:, 1:] / 2  # of each threshold, half of its ties with it
    return _ratio(np.einsum("ru,ru->r", np.diff(hits, axis=1), below), hits[:, -1] * num_negative)


def _total(counts: Draws, rows: Ints) -> npt.NDArray[np.int32]:
    """Return (R,) how often any of the rows was drawn."""
    total: npt.NDArray[np.int32] = np.take(counts.T, rows, axis=1).sum(axis=1, dtype=np.int32)
    return total


def _ratio(above: npt.NDArray[np.number], below: npt.NDArray[np.number]) -> Floats:
    """Return the quotient; NaN where nothing is below the line."""
    above, below = np.broadcast_arrays(above, below)
    quotient = np.full(above.shape, np.nan)
    np.divide(above, below, out=quotient, where=below > 0)
    return quotient
