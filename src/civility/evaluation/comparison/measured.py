"""Numbers of every run on the comments and on each resample of them: the same resamples for all."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from civility.arrays import Float32s, Floats, Scores, Targets
from civility.data.dataset import count_targets
from civility.metrics.counted import Decided, Ranking
from civility.metrics.intervals import percentile_interval
from civility.metrics.pooled import Pool
from civility.metrics.resampling import Statistic, mean_of_defined, point, resample, strata_of
from civility.metrics.small_samples import FEWEST, Ends, MeanPart, own_interval
from civility.metrics.threshold_search import Counts

METRICS = ("roc_auc", "average_precision", "f1", "precision", "recall")
_OF_SCORES = ("roc_auc", "average_precision")


@dataclass(frozen=True, eq=False)
class Measured:
    """Numbers of M runs.

    Parameters
    ----------
    values : (M, K, L) each metric of each label; NaN where undefined
    resampled : (M, K, L, R) in R resamples
    own : (M, K, L, 2) ends of intervals by the number of comments alone, which do not vanish where these are few
    freedom : (L,) positive or negative comments of each label, whichever are fewer, less one; at least as of `FEWEST`
    """

    values: Floats
    resampled: Floats
    own: Floats
    freedom: Floats

    def pool(self, members: Sequence[int], metric: int, label: int) -> Pool:
        """Return one label's number of some of the runs."""
        numbers = self.values[members, metric, label], self.resampled[members, metric, label]
        return Pool(*numbers, float(self.freedom[label]))

    def part(self, members: Sequence[int], metric: int, label: int) -> MeanPart:
        """Return one label's number, as the mean of some of the runs, with the mean of their own intervals."""
        low, high = self.own[members, metric, label].mean(axis=0)
        resampled = percentile_interval(self.resampled[members, metric, label].mean(axis=0))
        mean = float(self.values[members, metric, label].mean())
        return MeanPart(mean, Ends(float(low), float(high)), Ends(*map(float, resampled)))

    def defined(self, metric: int) -> npt.NDArray[np.bool_]:
        """Return the labels, (L,), where the metric is defined for all M runs."""
        return np.asarray(~np.isnan(self.values[:, metric]).any(axis=0))

    def macro(self, members: Sequence[int], metric: int, among: npt.NDArray[np.bool_] | None = None) -> Pool:
        """Return the mean over the labels (among those given) where the metric is defined for all M runs; NaN of none.

        It is as uncertain as its rarest label lets it be.
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
    cuts: Sequence[Float32s],
    metrics: Sequence[str],
    *,
    num_resamples: int,
    seed: int,
) -> Measured:
    """Measure every run on the same resamples of the comments.

    Parameters
    ----------
    targets : (N, L) in [0, 1]; NaN is unknown
    scores : M of (N, L)
    cuts : M of (L,) thresholds, for what is measured on decisions
    metrics : K of `METRICS`
    num_resamples, seed : of the bootstrap
    """
    statistics: dict[str, Statistic] = {}
    for run, (own, own_cuts) in enumerate(zip(scores, cuts, strict=True)):
        for label, target in enumerate(targets.T):
            if any(metric in _OF_SCORES for metric in metrics):
                statistics[f"rank {run} {label}"] = Ranking(target, own[:, label], fprs=())
            if any(metric not in _OF_SCORES for metric in metrics):
                statistics[f"decide {run} {label}"] = Decided(target, np.asarray(own[:, label] >= own_cuts[label]))
    own_ends = np.full((len(scores), len(metrics), targets.shape[1], 2), np.nan)
    drawn = resample(statistics, strata_of(targets), num_resamples=num_resamples, seed=seed)
    shape = (len(scores), len(metrics), targets.shape[1])
    values, resampled = np.full(shape, np.nan), np.full((*shape, num_resamples), np.nan)
    for key, statistic in statistics.items():
        run, label = map(int, key.split()[1:])
        counts = Counts.of(targets[:, label], np.asarray(scores[run][:, label] >= cuts[run][label]))
        at_once = zip(statistic.names, point(statistic, len(targets)), drawn[key], strict=True)
        for metric, value, many in at_once:
            if metric in metrics:
                values[run, metrics.index(metric), label] = value
                resampled[run, metrics.index(metric), label] = many
                own_ends[run, metrics.index(metric), label] = own_interval(metric, float(value), counts)
    return Measured(values, resampled, own_ends, np.maximum(rarer_of(targets), FEWEST) - 1.0)


def rarer_of(targets: Targets) -> Floats:
    """Return how many positive or negative comments each label has, whichever are fewer, (L,)."""
    positive, known = count_targets(targets)
    return np.asarray(np.minimum(positive, known - positive), dtype=np.float64)
