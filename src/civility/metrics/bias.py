"""Bias: how scores and decisions treat comments that mention a group.

A comment that mentions the group is in the subgroup, any other in the background. If that is unknown (NaN), the comment
is in neither; the kernel of Jigsaw 2019 counts it as background.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from civility.arrays import POSITIVE_FROM, AnyFloats, Bools, Decisions, Ints
from civility.metrics.threshold_search import Counts

Kind = Literal["subgroup", "bpsn", "bnsp"]

KINDS: tuple[Kind, ...] = ("subgroup", "bpsn", "bnsp")
POWER = -5.0
"""Exponent of the generalised mean in the metric of Jigsaw 2019: the worst group counts most."""


@dataclass(frozen=True)
class ErrorCounts:
    """Decisions on the comments that mention a group, and on those that do not."""

    group: Counts
    background: Counts


def rows_of(kind: Kind, targets: AnyFloats, in_group: npt.ArrayLike) -> tuple[Ints, Bools]:
    """Return the comments over which a bias ROC AUC is computed, and which of them are positive.

    Parameters
    ----------
    kind : ``subgroup``: its ROC AUC is low if the scores do not separate toxic from harmless comments that mention the
        group; ``bpsn``, background positives and subgroup negatives: if harmless comments that mention it score like
        toxic ones; ``bnsp``, the reverse: if toxic comments that mention it score like harmless ones
    targets, in_group : (N,) in [0, 1]; positive, or a member, from 0.5 up; NaN is left out

    Raises
    ------
    ValueError : the shapes differ

    References
    ----------
    Borkan et al., Nuanced Metrics for Measuring Unintended Bias, 2019, section 3.
    """
    targets, members = _aligned(targets, in_group)
    known = ~np.isnan(targets) & ~np.isnan(members)
    positive, member = targets >= POSITIVE_FROM, members >= POSITIVE_FROM
    taken = {"subgroup": member, "bpsn": member != positive, "bnsp": member == positive}[kind]
    rows = np.flatnonzero(known & taken)
    return rows, positive[rows]


def _aligned(targets: AnyFloats, in_group: npt.ArrayLike) -> tuple[AnyFloats, AnyFloats]:
    targets, members = np.asarray(targets), np.asarray(in_group, dtype=np.float64)
    if targets.ndim != 1 or targets.shape != members.shape:
        raise ValueError(f"targets have shape {targets.shape} and in_group {members.shape}, expected (N,) twice")
    return targets, members


def power_mean(values: Sequence[float] | AnyFloats, power: float = POWER) -> float:
    """Return the generalised mean: the ``power``-th root of the mean of ``values ** power``.

    Values are from 0 up; NaN is left out, and the mean of none is NaN. The lower the power, the closer the mean to the
    minimum. If it is negative, a value of 0 makes the mean 0.

    Raises
    ------
    ValueError : a value is below 0, or the power is 0
    """
    exact = np.asarray(values, dtype=np.float64)
    exact = exact[~np.isnan(exact)]
    if power == 0 or (exact < 0).any():
        raise ValueError(f"expected values from 0 up and a power that is not 0, found {exact} and {power}")
    if not len(exact):
        return float("nan")
    # Divide by the value that counts most, so that nothing overflows.
    heaviest = exact.min() if power < 0 else exact.max()
    if heaviest == 0:
        return 0.0
    return float(heaviest * np.mean((exact / heaviest) ** power) ** (1 / power))


def final_score(
    overall_auc: float,
    subgroup: Sequence[float] | AnyFloats,
    bpsn: Sequence[float] | AnyFloats,
    bnsp: Sequence[float] | AnyFloats,
    weight: float = 0.25,
) -> float:
    """Return the final metric of Jigsaw 2019: the overall ROC AUC and three generalised means over (G,) groups.

    The overall ROC AUC has the given weight, in [0, 1]; the three means share the rest. The result is NaN if the
    overall ROC AUC, or one of the three for every group, is NaN.

    References
    ----------
    Kaggle, Jigsaw Unintended Bias in Toxicity Classification, 2019: Evaluation, and its benchmark kernel.
    """
    bias = np.mean([power_mean(values) for values in (subgroup, bpsn, bnsp)])
    return float(weight * overall_auc + (1 - weight) * bias)


def error_counts(targets: AnyFloats, flagged: Decisions, in_group: npt.ArrayLike) -> ErrorCounts:
    """Count the errors of decisions, (N,), on comments that mention a group, and on those that do not.

    Targets and groups are as for `rows_of`, and so is the error if the shapes differ.
    """
    targets, members = _aligned(targets, in_group)
    decisions = np.asarray(flagged, dtype=np.bool_)
    if decisions.shape != targets.shape:
        raise ValueError(f"targets have shape {targets.shape} and flagged {decisions.shape}, expected (N,) twice")
    # Comparisons with NaN are False, so such a comment is counted on neither side.
    inside, outside = members >= POSITIVE_FROM, members < POSITIVE_FROM
    return ErrorCounts(
        group=Counts.of(targets[inside], decisions[inside]),
        background=Counts.of(targets[outside], decisions[outside]),
    )
