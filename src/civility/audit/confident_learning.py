"""Likely label errors: confident learning (Northcutt, Jiang, Chuang, JAIR 70, 2021, section 3), label by label.

A comment is suspected where the classifier is surer of the other side than it is on average of that side's own
comments. Each label is a problem of its own with two classes, as in the paper's one-vs-rest use. The scores must
be of comments that the classifier was not trained on: those it has learned it seldom contradicts.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from civility.arrays import Ints, Scores, Targets
from civility.data.dataset import POSITIVE_FROM


@dataclass(frozen=True, eq=False)
class LabelErrors:
    """Suspected errors of one label, the most likely first.

    Parameters
    ----------
    rows : (E,) of the comments given
    margin : (E,) score of the side annotated minus score of the other, in [-1, 1]; the lower the likelier
    is_positive : (E,) what was annotated
    sure_positive, sure_negative : the mean score of a side's own comments, from where on the classifier counts
        as sure of it; NaN where there is none, and then nothing is suspected
    num_positive, num_negative : known targets
    """

    rows: Ints
    margin: npt.NDArray[np.float64]
    is_positive: npt.NDArray[np.bool_]
    sure_positive: float
    sure_negative: float
    num_positive: int
    num_negative: int


def likely_label_errors(targets: Targets, scores: Scores) -> LabelErrors:
    """Return the suspected errors of one label.

    Parameters
    ----------
    targets : (N,) in [0, 1], NaN for unknown
    scores : (N,) in [0, 1], held out
    """
    known = np.flatnonzero(~np.isnan(targets))
    is_positive = targets[known] >= POSITIVE_FROM
    positive_score = scores[known].astype(np.float64)
    negative_score = 1 - positive_score
    num_positive, num_negative = int(is_positive.sum()), int((~is_positive).sum())
    sure_positive = float(positive_score[is_positive].mean()) if num_positive else float("nan")
    sure_negative = float(negative_score[~is_positive].mean()) if num_negative else float("nan")
    # The thresholds t_j of equation 2; where both sides are sure, the larger score counts (equation 1).
    looks_positive = (positive_score >= sure_positive) & (
        (negative_score < sure_negative) | (positive_score > negative_score)
    )
    looks_negative = (negative_score >= sure_negative) & (
        (positive_score < sure_positive) | (negative_score > positive_score)
    )
    suspected = np.where(is_positive, looks_negative, looks_positive)
    if not num_positive or not num_negative:
        suspected[:] = False
    margin = np.where(is_positive, positive_score - negative_score, negative_score - positive_score)[suspected]
    order = np.argsort(margin, kind="stable")
    return LabelErrors(
        known[suspected][order],
        margin[order],
        is_positive[suspected][order],
        sure_positive,
        sure_negative,
        num_positive,
        num_negative,
    )
