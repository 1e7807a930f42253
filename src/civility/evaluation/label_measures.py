"""The measures of each label: ranking, precision, recall, false positive rate, calibration, with intervals."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from civility.arrays import POSITIVE_FROM, Bools, Float32s, Floats, Scores
from civility.documents.label_report import AnyLabel, Estimate, LabelReport, Macro, VerdictWord
from civility.documents.report import ClassifierFacts, CoOccurrence, DataFacts, Report, Resampling, Undefined
from civility.evaluation.curves import calibration_of, curve_of, explorer_of, histogram_of
from civility.evaluation.scored_comments import Scored
from civility.metrics.intervals import Ends, percentile_interval, share_interval, wider
from civility.metrics.resampling import Decided, Ranking, Statistic, mean_of_defined, point, resample, strata_of
from civility.metrics.small_samples import FEWEST, MeanPart, mean_interval, own_interval
from civility.metrics.threshold_search import Counts

FPRS = (0.01, 0.001)
NUM_RESAMPLES = 2_000
GOOD_FROM = 0.8
"""Lower end of F1 from which a label is good enough to act on what it flags, with an appeal for people."""
REVIEW_FROM = 0.6
"""F1 from which flagged comments are worth a person's review."""
WIDEST = 0.3
"""Width of the interval of F1 above which it says nothing."""
LEAST_POSITIVES = 20
_ANY = "any label"
_ROUNDING = 1e-9
"""Rounding errors are smaller than this; differences measured on comments are larger."""
_SHARES = ("precision", "recall")
"""Numbers with Wilson's interval, which needs no resamples."""


@dataclass(frozen=True, eq=False)
class _Measured:
    """The numbers of one label, or of any label, on the comments and on each resample, and its decisions."""

    values: dict[str, float]
    resampled: dict[str, Floats]
    counts: Counts

    def estimate(self, name: str) -> Estimate:
        part = self.part(name)
        ends = part.own if name in _SHARES else wider(part.own, part.resampled)
        return Estimate(value=part.value, low=ends.low, high=ends.high)

    def part(self, name: str) -> MeanPart:
        value = self.values[name]
        return MeanPart(value, own_interval(name, value, self.counts), ends_of(self.resampled[name]))

    @property
    def is_defined(self) -> bool:
        """Whether there are positive and negative comments."""
        return bool(self.counts.num_positive and self.counts.num_negative)

    @property
    def is_measurable(self) -> bool:
        return min(self.counts.num_positive, self.counts.num_negative) >= FEWEST


def ends_of(resampled: Floats) -> Ends:
    """Return the 95 % percentile interval of (R,) resampled numbers; NaN if most are undefined."""
    low, high = percentile_interval(resampled)
    return Ends(float(low), float(high))


def estimate(value: float, resampled: Floats) -> Estimate:
    """Return a number with the interval of its resamples; without one if all resamples are equal."""
    low, high = percentile_interval(resampled)
    if math.isnan(value) or not high - low > _ROUNDING:
        return Estimate(value=value)
    return Estimate(value=value, low=float(low), high=float(high))


def proportion(successes: int, trials: int, times: float = 1) -> Estimate:
    """Return a share, times a factor such as 1,000, with Wilson's interval; undefined without trials."""
    if not trials:
        return Estimate(value=None)
    low, high = share_interval(successes, trials)
    return Estimate(value=times * successes / trials, low=times * low, high=times * high)


def measure(
    scored: Scored,
    files: Sequence[str],
    *,
    name: str,
    classifier: ClassifierFacts,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> Report:
    """Measure scores and decisions against targets.

    Each resample draws the same comments for every number, so that numbers can be averaged.
    """
    dataset = scored.dataset
    measured = _measure_all(scored, num_resamples, seed)
    labels = {label: _label_report(scored, column, measured[label]) for column, label in enumerate(dataset.labels)}
    verdicts = {label: numbers.verdict for label, numbers in labels.items()}
    of_labels = {label: measured[label] for label in dataset.labels}
    macro = _macro(list(of_labels.values()))
    over_measurable = _macro([one for one in of_labels.values() if one.is_measurable])
    too_few = tuple(label for label, one in of_labels.items() if one.is_defined and not one.is_measurable)
    any_label = _any_label(scored, measured[_any_key(dataset.labels)])
    return Report(
        name=name,
        data=DataFacts(files=tuple(files), digest=dataset.digest, num_comments=len(dataset)),
        classifier=classifier,
        resampling=Resampling(num_resamples=num_resamples, seed=seed),
        verdict=overall_verdict(verdicts),
        labels=labels,
        macro=macro,
        not_measurable=too_few,
        not_chosen_from_data=tuple(label for label in dataset.labels if label in scored.not_chosen_from_data),
        macro_measurable=over_measurable,
        any_label=any_label,
        co_occurrence=_co_occurrence(scored),
        explorer=explorer_of(scored, [numbers.curve for numbers in labels.values()]),
        undefined=_undefined(labels, any_label, macro, over_measurable),
    )


def _any_key(labels: Sequence[str]) -> str:
    """Return a key for "any label" that is not the name of a label."""
    key = _ANY
    while key in labels:
        key += "'"
    return key


def _measure_all(scored: Scored, num_resamples: int, seed: int) -> dict[str, _Measured]:
    dataset = scored.dataset
    columns: dict[str, tuple[Float32s, Float32s, Bools]] = {
        label: (dataset.targets[:, i], scored.scores[:, i], scored.flagged[:, i])
        for i, label in enumerate(dataset.labels)
    }
    flagged = np.asarray(scored.flagged.any(axis=1))
    columns[_any_key(dataset.labels)] = (scored.any_target, scored.scores.max(axis=1), flagged)
    statistics: dict[str, Statistic] = {}
    for label, (targets, scores, flagged) in columns.items():
        statistics[f"rank {label}"] = Ranking(targets, scores, FPRS)
        statistics[f"decide {label}"] = Decided(targets, flagged)
    values = resample(statistics, strata_of(dataset.targets), num_resamples=num_resamples, seed=seed)
    found = {}
    for label, (targets, _, flagged) in columns.items():
        on_data: dict[str, float] = {}
        on_resamples: dict[str, Floats] = {}
        for key in (f"rank {label}", f"decide {label}"):
            on_data |= dict(zip(statistics[key].names, point(statistics[key], len(dataset)).tolist(), strict=True))
            on_resamples |= dict(zip(statistics[key].names, values[key], strict=True))
        found[label] = _Measured(on_data, on_resamples, Counts.of(targets, flagged))
    return found


def _label_report(scored: Scored, column: int, measured: _Measured) -> LabelReport:
    label = scored.dataset.labels[column]
    targets, scores = scored.dataset.targets[:, column], scored.scores[:, column]
    counts = measured.counts
    decisions, threshold = _decisions(counts, measured.estimate("f1")), scored.threshold(label)
    review = scored.review_thresholds.get(label)
    return LabelReport(
        **_numbers(counts, len(targets)),
        **_ranking(measured.estimate),
        threshold=threshold,
        review_threshold=review,
        policy=scored.policies.get(label, ""),
        **asdict(counts),
        **decisions,
        review_per_1000=None if review is None else _per_1000(scores[~np.isnan(targets)], review, threshold),
        calibration=calibration_of(scored, column),
        verdict=label_verdict(counts.num_positive, counts.num_negative, decisions["f1"]),
        curve=curve_of(targets, scores, threshold),
        histogram=histogram_of(targets, scores),
    )


def label_verdict(num_positive: int, num_negative: int, f1: Estimate) -> VerdictWord:
    """Return whether a label can be used, by its F1 at the threshold. The rules are in docs/how-to/read-a-report.md."""
    if not num_positive or not num_negative:
        return "undefined"
    value, low, high = f1.value or 0.0, f1.low or 0.0, f1.high or 0.0
    if num_positive < LEAST_POSITIVES or high - low > WIDEST:
        return "unsure"
    return "good" if low >= GOOD_FROM else "review" if value >= REVIEW_FROM else "weak"


def overall_verdict(verdicts: Mapping[str, VerdictWord]) -> VerdictWord:
    """Return the lowest verdict of any label that could be measured."""
    order: tuple[VerdictWord, ...] = ("weak", "unsure", "review", "good")
    return next((word for word in order if word in verdicts.values()), "undefined")


def _any_label(scored: Scored, measured: _Measured) -> AnyLabel:
    counts = measured.counts
    numbers, decisions = _numbers(counts, len(scored.dataset)), _decisions(counts, measured.estimate("f1"))
    return AnyLabel(**numbers, **_ranking(measured.estimate), **decisions)


def _ranking(estimate_of: Callable[[str], Estimate]) -> dict[str, Any]:
    return {
        "roc_auc": estimate_of("roc_auc"),
        "average_precision": estimate_of("average_precision"),
        "recall_at_fpr": {str(fpr): estimate_of(f"recall_at_fpr_{fpr}") for fpr in FPRS},
    }


def _numbers(counts: Counts, num_comments: int) -> dict[str, int]:
    return {
        "num_positive": counts.num_positive,
        "num_negative": counts.num_negative,
        "num_unknown": num_comments - counts.num,
    }


def _decisions(counts: Counts, f1: Estimate) -> dict[str, Estimate]:
    return {
        "precision": proportion(counts.true_positives, counts.flagged),
        "recall": proportion(counts.true_positives, counts.num_positive),
        "f1": f1,
        "false_positive_rate": proportion(counts.false_positives, counts.num_negative),
        "flagged_per_1000": proportion(counts.flagged, counts.num, times=1000),
    }


def _per_1000(scores: Scores, low: float, high: float) -> float:
    """Return how many of 1,000 scores are from ``low`` to below ``high``."""
    cuts = np.array([low, high], dtype=np.float32)
    return 1000 * float(((scores >= cuts[0]) & (scores < cuts[1])).mean()) if len(scores) else math.nan


def _macro(labels: Sequence[_Measured]) -> Macro:
    def mean(name: str) -> Estimate:
        defined = [one for one in labels if not math.isnan(one.values[name])]
        if not defined:
            return Estimate(value=None)
        value = sum(one.values[name] for one in defined) / len(defined)
        resampled = ends_of(mean_of_defined(np.stack([one.resampled[name] for one in defined])))
        low, high = mean_interval(value, resampled, [one.part(name) for one in defined], len(defined))
        return Estimate(value=value, low=max(low, 0.0), high=min(high, 1.0))

    return Macro(**_ranking(mean), precision=mean("precision"), recall=mean("recall"), f1=mean("f1"))


def _co_occurrence(scored: Scored) -> CoOccurrence:
    def together(marks: Bools) -> tuple[tuple[int, ...], ...]:
        counts = marks.T.astype(np.int64) @ marks.astype(np.int64)
        return tuple(tuple(row) for row in counts.tolist())

    return CoOccurrence(targets=together(scored.dataset.targets >= POSITIVE_FROM), decisions=together(scored.flagged))


def _undefined(
    labels: Mapping[str, LabelReport], any_label: AnyLabel, macro: Macro, over_measurable: Macro
) -> dict[str, Undefined]:
    """Return, by path, the reason of each number that is None for lack of data."""
    reasons: dict[str, Undefined] = {}
    for label, numbers in labels.items():
        place = f"labels.{label}"
        reasons |= _why_none(place, numbers)
        if not numbers.num_positive + numbers.num_negative:
            reasons[f"{place}.calibration"] = _missing(numbers)
            if numbers.review_threshold is not None:
                reasons[f"{place}.review_per_1000"] = _missing(numbers)
    reasons |= _why_none("any_label", any_label) | _undefined_mean("macro", macro, "undefined_for_every_label")
    return reasons | _undefined_mean("macro_measurable", over_measurable, "no_measurable_label")


def _undefined_mean(place: str, macro: Macro, why: Undefined) -> dict[str, Undefined]:
    found = {**_resampled(macro), "precision": macro.precision, "recall": macro.recall}
    return {f"{place}.{name}": why for name, one in found.items() if one.value is None}


def _why_none(place: str, numbers: LabelReport | AnyLabel) -> dict[str, Undefined]:
    found = {
        **_resampled(numbers),
        "recall": numbers.recall,
        "false_positive_rate": numbers.false_positive_rate,
        "flagged_per_1000": numbers.flagged_per_1000,
    }
    reasons = {f"{place}.{name}": _missing(numbers) for name, one in found.items() if one.value is None}
    if numbers.precision.value is None:
        known = numbers.num_positive + numbers.num_negative
        reasons[f"{place}.precision"] = "nothing_flagged" if known else _missing(numbers)
    return reasons


def _resampled(numbers: LabelReport | AnyLabel | Macro) -> dict[str, Estimate]:
    at_rates = {f"recall_at_fpr.{fpr}": found for fpr, found in numbers.recall_at_fpr.items()}
    return {"roc_auc": numbers.roc_auc, "average_precision": numbers.average_precision, **at_rates, "f1": numbers.f1}


def _missing(numbers: LabelReport | AnyLabel) -> Undefined:
    if not numbers.num_positive + numbers.num_negative:
        return "no_known_target"
    return "no_negative" if numbers.num_positive else "no_positive"
