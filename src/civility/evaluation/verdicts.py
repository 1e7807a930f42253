"""Measure all runs on the same resamples, and compare rows with the first: differences and verdicts.

The rule for better and worse is `civility.metrics.paired_test`.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from civility.arrays import Floats, Scores, Targets
from civility.data.dataset import count_targets
from civility.metrics.intervals import Ends, percentile_interval, wider
from civility.metrics.paired_test import (
    Noise,
    Outcome,
    PairedDifference,
    Pool,
    corrected,
    pooled_difference,
    resamples_needed,
)
from civility.metrics.resampling import Decided, Ranking, Statistic, mean_of_defined, point, resample, strata_of
from civility.metrics.small_samples import FEWEST, MeanPart, difference_interval, mean_interval, own_interval
from civility.metrics.threshold_search import Counts

NUM_RESAMPLES = 2_000
METRICS = ("roc_auc", "average_precision", "f1", "precision", "recall")
_OF_SCORES = ("roc_auc", "average_precision")


@dataclass(frozen=True, eq=False)
class Measured:
    """Numbers of M runs.

    Parameters
    ----------
    values : (M, K, L) each metric of each label; NaN where undefined
    resampled : (M, K, L, R) in R resamples
    own : (M, K, L, 2) ends of intervals from the number of comments alone, which stay wide for few comments
    freedom : (L,) degrees of freedom: positive or negative comments of each label, whichever are fewer, less one; at
        least ``FEWEST - 1``
    """

    values: Floats
    resampled: Floats
    own: Floats
    freedom: Floats

    def pool(self, members: Sequence[int], metric: int, label: int) -> Pool:
        """Return the numbers of one label for some of the runs."""
        numbers = self.values[members, metric, label], self.resampled[members, metric, label]
        return Pool(*numbers, float(self.freedom[label]))

    def part(self, members: Sequence[int], metric: int, label: int) -> MeanPart:
        """Return the mean of one label's numbers over some of the runs, with the mean of their own intervals."""
        low, high = self.own[members, metric, label].mean(axis=0)
        resampled = percentile_interval(self.resampled[members, metric, label].mean(axis=0))
        mean = float(self.values[members, metric, label].mean())
        return MeanPart(mean, Ends(float(low), float(high)), Ends(*map(float, resampled)))

    def defined(self, metric: int) -> npt.NDArray[np.bool_]:
        """Return the labels, (L,), where the metric is defined for all M runs."""
        return np.asarray(~np.isnan(self.values[:, metric]).any(axis=0))

    def macro(self, members: Sequence[int], metric: int, among: npt.NDArray[np.bool_] | None = None) -> Pool:
        """Return the mean over the labels (``among`` those) for which the metric is defined for all runs; NaN of none.

        Its degrees of freedom are those of its rarest label.
        """
        defined = np.flatnonzero(self.defined(metric) if among is None else self.defined(metric) & among)
        if not len(defined):
            return Pool(np.full(len(members), np.nan), np.full((len(members), 1), np.nan))
        own = self.resampled[members, metric][:, defined]
        return Pool(
            self.values[members, metric][:, defined].mean(axis=1),
            np.stack([mean_of_defined(each) for each in own]),
            float(self.freedom[defined].min()),
        )


def measure(
    targets: Targets,
    scores: Sequence[Scores],
    cuts: Sequence[Scores],
    metrics: Sequence[str],
    *,
    num_resamples: int,
    seed: int,
) -> Measured:
    """Measure every run on the same resamples of the comments.

    Targets are (N, L), scores M of that shape, and ``cuts`` M of (L,) thresholds; metrics are K of `METRICS`.
    """
    statistics: dict[str, Statistic] = {}
    for run, (own, own_cuts) in enumerate(zip(scores, cuts, strict=True)):
        for label, target in enumerate(targets.T):
            if any(metric in _OF_SCORES for metric in metrics):
                statistics[f"rank {run} {label}"] = Ranking(target, own[:, label], fprs=())
            if any(metric not in _OF_SCORES for metric in metrics):
                statistics[f"decide {run} {label}"] = Decided(target, np.asarray(own[:, label] >= own_cuts[label]))
    drawn = resample(statistics, strata_of(targets), num_resamples=num_resamples, seed=seed)
    shape = (len(scores), len(metrics), targets.shape[1])
    values, resampled, own_ends = (np.full((*shape, *more), np.nan) for more in ((), (num_resamples,), (2,)))
    for key, statistic in statistics.items():
        run, label = map(int, key.split()[1:])
        counts = Counts.of(targets[:, label], np.asarray(scores[run][:, label] >= cuts[run][label]))
        at_once = zip(statistic.names, point(statistic, len(targets)), drawn[key], strict=True)
        for metric, value, many in at_once:
            if metric in metrics:
                place = run, metrics.index(metric), label
                values[place], resampled[place] = value, many
                own_ends[place] = own_interval(metric, float(value), counts)
    return Measured(values, resampled, own_ends, np.maximum(rarer_of(targets), FEWEST) - 1.0)


def rarer_of(targets: Targets) -> Floats:
    """Return the number of positive or negative comments of each label, whichever are fewer, (L,)."""
    positive, known = count_targets(targets)
    return np.asarray(np.minimum(positive, known - positive), dtype=np.float64)


@dataclass(frozen=True)
class Judged:
    """One number of a row compared with the baseline; ``of_settings``: both have several runs, so seeds are covered."""

    difference: PairedDifference
    noise: Noise
    of_settings: bool


def resamples_for(groups: Sequence[Sequence[int]], num_metrics: int, rarer: npt.NDArray[np.float64]) -> int:
    """Return how many resamples are needed to show a single difference among all rows, given as groups of runs.

    If every row has several runs, p values are Student's and do not depend on the number of resamples. ``rarer`` is
    that of `rarer_of`.
    """
    num_labels = len(rarer)
    num_verdicts = (len(groups) - 1) * num_metrics * (num_labels + 1)
    if num_verdicts == 0 or min(len(group) for group in groups) > 1:
        return NUM_RESAMPLES
    fewest = max(FEWEST, int(rarer.min()))
    return max(NUM_RESAMPLES, resamples_needed(num_verdicts, dof=fewest - 1))


@dataclass(frozen=True)
class JudgedMetric:
    """One metric of a row: each label, the macro average, and that of the measurable labels if it differs."""

    labels: tuple[Judged, ...]
    macro: Judged
    measurable: Judged | None

    @property
    def every(self) -> tuple[Judged, ...]:
        """All of them in order."""
        return (*self.labels, self.macro, *([] if self.measurable is None else [self.measurable]))


def judge(
    measured: Measured, groups: Sequence[Sequence[int]], too_few: npt.NDArray[np.bool_], level: float = 0.95
) -> list[list[JudgedMetric]]:
    """Return the difference of each other row from the first, by row and metric.

    All verdicts, including those of macro averages, are corrected together (Holm): the probability of any wrong
    "better" or "worse" is at most ``1 - level``. A label with too few comments gets no verdict, nor does a macro
    average that includes it; their intervals are as wide as so few comments require. ``groups`` are the runs of each
    row.
    """
    num_metrics = measured.values.shape[1]
    first, *others = groups
    found = [
        [_judged(_Pair(measured, list(first), list(other), metric), too_few, level) for metric in range(num_metrics)]
        for other in others
    ]
    flat = [one.difference for row in found for metric in row for one in metric.every]
    together = iter(corrected(flat, level))
    return [[_with(metric, together) for metric in row] for row in found]


def _with(metric: JudgedMetric, differences: Iterator[PairedDifference]) -> JudgedMetric:
    """Return the same with the next differences, in the order of ``every``."""
    every = [replace(one, difference=next(differences)) for one in metric.every]
    num = len(metric.labels)
    return JudgedMetric(tuple(every[:num]), every[num], every[num + 1] if metric.measurable else None)


@dataclass(frozen=True, eq=False)
class _Pair:
    """The runs of the first row and of another, in one metric."""

    measured: Measured
    first: list[int]
    other: list[int]
    metric: int

    def label(self, label: int, level: float) -> Judged:
        first, other = (self.measured.pool(side, self.metric, label) for side in self._sides)
        return self._compared(first, other, level)

    def macro(self, among: npt.NDArray[np.bool_] | None, level: float) -> Judged:
        first, other = (self.measured.macro(side, self.metric, among) for side in self._sides)
        return self._compared(first, other, level)

    def few(self, label: int, level: float) -> MeanPart:
        """Return the difference of a label with too few comments, with an interval that allows for it."""
        first, other = (self.measured.part(side, self.metric, label) for side in self._sides)
        resampled = self.label(label, level).difference
        return MeanPart(resampled.value, difference_interval(first, other), Ends(resampled.low, resampled.high))

    @property
    def _sides(self) -> tuple[list[int], list[int]]:
        return self.first, self.other

    def _compared(self, first: Pool, other: Pool, level: float) -> Judged:
        return Judged(*pooled_difference(first, other, level), min(len(self.first), len(self.other)) > 1)


def _judged(pair: _Pair, too_few: npt.NDArray[np.bool_], level: float) -> JudgedMetric:
    few = {label: pair.few(label, level) for label in np.flatnonzero(too_few).tolist()}
    labels = tuple(
        _unmeasurable(few[label].value, wider(few[label].own, few[label].resampled))
        if label in few
        else pair.label(label, level)
        for label in range(len(too_few))
    )
    macro, defined = pair.macro(None, level), pair.measured.defined(pair.metric)
    on_few = [few[label] for label in few if defined[label]]
    if not on_few:
        return JudgedMetric(labels, macro, None)
    resampled = Ends(macro.difference.low, macro.difference.high)
    ends = mean_interval(macro.difference.value, resampled, on_few, int(defined.sum()))
    measurable = pair.macro(~too_few, level) if (defined & ~too_few).any() else None
    return JudgedMetric(labels, _unmeasurable(macro.difference.value, ends), measurable)


def _unmeasurable(value: float, ends: Ends) -> Judged:
    found = PairedDifference(value, max(ends.low, -1.0), min(ends.high, 1.0), math.nan, Outcome.NOT_MEASURABLE)
    return Judged(found, Noise(math.nan, math.nan), of_settings=False)
