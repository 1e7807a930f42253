"""How many comments have each label, and which labels come together. Knows targets only."""

from dataclasses import dataclass

import numpy as np

from civility.arrays import Ints, Targets
from civility.data.dataset import POSITIVE_FROM, count_targets


@dataclass(frozen=True)
class LabelCounts:
    """Comments of one label: positive, negative and unknown add up to all; soft ones are among the known."""

    num_positive: int
    num_negative: int
    num_unknown: int
    num_soft: int


def label_counts(targets: Targets) -> list[LabelCounts]:
    """Return the counts of each label of targets (N, L)."""
    num_positive, num_known = count_targets(targets)
    num_soft = ((targets > 0) & (targets < 1)).sum(axis=0)
    counts = np.stack([num_positive, num_known - num_positive, len(targets) - num_known, num_soft], axis=1)
    return [LabelCounts(*row) for row in counts.tolist()]


def co_occurrence(targets: Targets) -> Ints:
    """Return (L, L) counts of comments that have both labels; on the diagonal, those that have the one."""
    positive = (targets >= POSITIVE_FROM).astype(np.float32)
    # float32 counts are exact up to 2**24: sum blocks of fewer rows.
    blocks = (positive[start : start + 2**20] for start in range(0, len(positive), 2**20))
    total = np.zeros((targets.shape[1], targets.shape[1]), dtype=np.int64)
    for block in blocks:
        total += (block.T @ block).astype(np.int64)
    return total
