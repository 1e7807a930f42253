"""Rows against the first of them: every difference, and verdicts that hold for all of them together."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from civility.compare.measured import FEWEST, Measured
from civility.metrics.compare import Difference, Verdict, corrected, resamples_needed
from civility.metrics.pooled import Noise, Pool, pooled_difference

NUM_RESAMPLES = 2_000


@dataclass(frozen=True)
class Judged:
    """One number of a row against the baseline's; ``of_settings``: both have several runs, so that seeds count."""

    difference: Difference
    noise: Noise
    of_settings: bool


def resamples_for(groups: Sequence[Sequence[int]], num_metrics: int, rarer: npt.NDArray[np.float64]) -> int:
    """Return how many resamples it takes that one difference of all can be shown.

    Where every row has several runs, p values are Student's, and do not hang on the number of resamples.

    Parameters
    ----------
    groups : which runs are in which row
    num_metrics : that are measured
    rarer : (L,) positive or negative comments of each label, whichever are fewer
    """
    num_labels = len(rarer)
    num_verdicts = (len(groups) - 1) * num_metrics * (num_labels + 1)
    if num_verdicts == 0 or min(len(group) for group in groups) > 1:
        return NUM_RESAMPLES
    fewest = max(FEWEST, int(rarer.min()))
    return max(NUM_RESAMPLES, resamples_needed(num_verdicts, freedom=fewest - 1))


def judge(
    measured: Measured, groups: Sequence[Sequence[int]], too_few: npt.NDArray[np.bool_], level: float = 0.95
) -> list[list[list[Judged]]]:
    """Return the difference of each row but the first from the first: by row, metric, and label with the macro last.

    All verdicts, the macro averages' among them, are corrected together (Holm): the chance that any of them says
    "better" or "worse" where there is no difference is at most ``1 - level``.

    Parameters
    ----------
    measured : all M runs
    groups : which runs are in which row
    too_few : (L,) labels that get no verdict, for want of comments
    level : of intervals and verdicts
    """
    num_metrics, num_labels = measured.values.shape[1:]
    first, *others = groups
    found: list[Judged] = []
    for other in others:
        of_settings = min(len(first), len(other)) > 1
        for metric in range(num_metrics):
            for label in range(num_labels):
                pools = [measured.pool(list(group), metric, label) for group in (first, other)]
                found.append(_unjudged(pools) if too_few[label] else _compared(pools, of_settings, level))
            macros = [measured.macro(list(group), metric) for group in (first, other)]
            found.append(_compared(macros, of_settings, level))
    together = corrected([each.difference for each in found], level)
    flat = [Judged(each, one.noise, one.of_settings) for each, one in zip(together, found, strict=True)]
    wide = num_labels + 1
    lines = [flat[start : start + wide] for start in range(0, len(flat), wide)]
    return [lines[start : start + num_metrics] for start in range(0, len(lines), num_metrics)]


def _compared(pools: Sequence[Pool], of_settings: bool, level: float) -> Judged:
    return Judged(*pooled_difference(pools[0], pools[1], level), of_settings)


def _unjudged(pools: Sequence[Pool]) -> Judged:
    value = pools[1].mean - pools[0].mean
    nothing = Difference(value, math.nan, math.nan, math.nan, Verdict.NOT_MEASURABLE)
    return Judged(nothing, Noise(math.nan, math.nan), of_settings=False)
