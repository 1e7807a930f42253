"""Bias of one label: ROC AUC of every group, the final metric, and gaps of error rates at the threshold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from civility.arrays import POSITIVE_FROM, Decisions, Floats, Scores, Targets
from civility.documents.behaviour_report import BiasReport, GroupBias
from civility.documents.label_report import Estimate
from civility.evaluation.label_measures import NUM_RESAMPLES, estimate, proportion
from civility.metrics.bias import KINDS, POWER, ErrorCounts, error_counts, final_score, power_mean, rows_of
from civility.metrics.intervals import newcombe
from civility.metrics.resampling import Auc, point, resample, strata_of
from civility.metrics.small_samples import FEWEST
from civility.metrics.threshold_search import Counts


@dataclass(frozen=True, eq=False)
class Grouped:
    """The scores and decisions of one label, and the groups that comments mention.

    Parameters
    ----------
    targets, scores, flagged : (N,) of one label
    groups : (N, G) in [0, 1]; 0.5 or more is a mention; NaN if unknown
    names : (G,)
    """

    targets: Targets
    scores: Scores
    flagged: Decisions
    groups: npt.NDArray[np.floating]
    names: tuple[str, ...]


def bias_of(
    grouped: Grouped, source: str, label: str, *, num_resamples: int = NUM_RESAMPLES, seed: int = 0
) -> BiasReport:
    """Measure the bias of one label; ``source`` names the files of the groups. Resamples are stratified by target."""
    errors = {
        name: error_counts(grouped.targets, grouped.flagged, grouped.groups[:, column])
        for column, name in enumerate(grouped.names)
    }
    large = [name for name in grouped.names if not _too_few(errors[name].group)]
    values, resampled = _aucs(grouped, num_resamples, seed)
    means = {kind: power_mean([values[f"{kind} {name}"] for name in large]) for kind in KINDS}
    return BiasReport(
        source=source,
        label=label,
        overall_auc=estimate(values["overall"], resampled["overall"]),
        final=_final(values, resampled, large),
        subgroup_auc=means["subgroup"],
        bpsn_auc=means["bpsn"],
        bnsp_auc=means["bnsp"],
        power=POWER,
        groups={name: _group(errors[name], name, values, resampled) for name in grouped.names},
    )


def _aucs(grouped: Grouped, num_resamples: int, seed: int) -> tuple[dict[str, float], dict[str, Floats]]:
    """Return the overall ROC AUC and those of every kind and group, on the comments and on each resample."""
    known = np.flatnonzero(~np.isnan(grouped.targets))
    statistics = {"overall": Auc(known, grouped.targets[known] >= POSITIVE_FROM, grouped.scores[known])}
    for column, name in enumerate(grouped.names):
        for kind in KINDS:
            rows, positive = rows_of(kind, grouped.targets, grouped.groups[:, column])
            statistics[f"{kind} {name}"] = Auc(rows, positive, grouped.scores[rows])
    strata = strata_of(grouped.targets[:, np.newaxis])
    resampled = resample(statistics, strata, num_resamples=num_resamples, seed=seed)
    values = {key: float(point(statistic, len(grouped.targets))[0]) for key, statistic in statistics.items()}
    return values, {key: found[0] for key, found in resampled.items()}


def _final(values: Mapping[str, float], resampled: Mapping[str, Floats], names: Sequence[str]) -> Estimate:
    def final(of: Mapping[str, float]) -> float:
        subgroup, bpsn, bnsp = ([of[f"{kind} {name}"] for name in names] for kind in KINDS)
        return final_score(of["overall"], subgroup, bpsn, bnsp)

    num_resamples = len(resampled["overall"])
    every = [final({key: float(found[place]) for key, found in resampled.items()}) for place in range(num_resamples)]
    return estimate(final(values), np.array(every, dtype=np.float64))


def _too_few(counts: Counts) -> bool:
    return min(counts.num_positive, counts.num_negative) < FEWEST


def _group(errors: ErrorCounts, name: str, values: Mapping[str, float], resampled: Mapping[str, Floats]) -> GroupBias:
    group, background = errors.group, errors.background
    aucs = {f"{kind}_auc": estimate(values[f"{kind} {name}"], resampled[f"{kind} {name}"]) for kind in KINDS}
    false_positives = [(one.false_positives, one.num_negative) for one in (group, background)]
    false_negatives = [(one.false_negatives, one.num_positive) for one in (group, background)]
    return GroupBias(
        num_positive=group.num_positive,
        num_negative=group.num_negative,
        **aucs,
        false_positive_rate=proportion(*false_positives[0]),
        false_negative_rate=proportion(*false_negatives[0]),
        false_positive_gap=_gap(*false_positives),
        false_negative_gap=_gap(*false_negatives),
        too_few=_too_few(group),
    )


def _gap(group: tuple[int, int], background: tuple[int, int]) -> Estimate:
    """Return the difference of two shares, each given as (successes, trials)."""
    if not group[1] or not background[1]:
        return Estimate(value=None)
    low, high = newcombe(*group, *background)
    return Estimate(value=group[0] / group[1] - background[0] / background[1], low=low, high=high)
