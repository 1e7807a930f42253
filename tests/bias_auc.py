"""The bias ROC AUC of one kind, from the comments that the metric selects."""

import numpy as np
import numpy.typing as npt

from civility.arrays import AnyFloats
from civility.metrics.bias import Kind, rows_of
from civility.metrics.ranking import roc_auc


def bias_auc(kind: Kind, targets: AnyFloats, scores: AnyFloats, in_group: npt.ArrayLike) -> float:
    """Return the ROC AUC among the comments of a kind; NaN without positives or without negatives."""
    rows, positive = rows_of(kind, targets, in_group)
    return roc_auc(positive.astype(np.float64), np.asarray(scores)[rows])
