"""How a report is told: names of numbers, numbers as text, and the words and sentences that every page has."""

from collections.abc import Sequence

from civility.documents.report import Estimate, LabelReport, Optimistic, Report
from civility.metrics.small_samples import FEWEST
from civility.plain_text import count

METRIC_NAMES = {
    "roc_auc": "ROC AUC",
    "average_precision": "average precision",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
}
_CHOSEN: dict[Optimistic, str] = {
    "epoch": "the best epoch",
    "calibration": "the calibration",
    "thresholds": "the thresholds",
}

MEASURABLE = "macro, measurable"
"""The mean over the labels with enough comments to be measured."""
_NAMED = 6
OF_THE_SAMPLE = (
    "Recall and ROC AUC before the change are those of the sample, which holds more positives and more of rare labels "
    "than the comments do: they are not the label's own above."
)
"""What the numbers "before" of the robustness section are of."""
UNKNOWN_GROUPS = (
    "Comments of which it is not known whether they mention a group are left out for that group; the kernel of Jigsaw "
    "2019 counts them as background, so its numbers differ where groups are not known of every comment."
)
FEW_TEMPLATES = (
    "The sentences are made from few templates and are much alike, so the intervals, which take each for a comment of "
    "its own, are narrower than they should be."
)


def shown(value: float | None, digits: int = 4) -> str:
    """Return a metric for a person: four digits, or a dash where it is undefined."""
    return "-" if value is None or value != value else f"{value:.{digits}f}"


def with_interval(estimate: Estimate, digits: int = 3) -> str:
    """Return a number and its 95 % interval, as ``0.912 [0.880, 0.941]``."""
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return shown(estimate.value, digits)
    return f"{estimate.value:.{digits}f} [{estimate.low:.{digits}f}, {estimate.high:.{digits}f}]"


def too_few(report: Report) -> str:
    """Return the sentence that says which labels make the macro averages unmeasurable; empty if none does."""
    if not report.not_measurable:
        return ""
    names = _listed([f"{label} ({_rarer(report.labels[label])})" for label in report.not_measurable])
    kept = f'"{MEASURABLE}" leaves them out.' if report.measurable else "No label has enough for an average to judge."
    return (
        f"Fewer than {FEWEST} positive or negative comments: {names}. The macro averages rest on them: they have "
        f"wide intervals and are not measurable. {kept}"
    )


def not_chosen(labels: Sequence[str]) -> str:
    """Return the sentence that says whose thresholds no data chose; empty of no label."""
    if not labels:
        return ""
    one = len(labels) == 1
    return (
        f"The {'threshold was' if one else 'thresholds were'} not chosen from data, for want of positive or negative "
        f"comments: {_listed(labels)}. {'It flags' if one else 'They flag'} about as many comments as were positive; "
        "where a class was missing, the threshold is 0.5. To choose from data, run 'civility thresholds' on more "
        "labelled comments."
    )


def other_scores(labels: Sequence[str]) -> str:
    """Return the sentence that says for which labels `transformers.pipeline` gives other scores than this package."""
    return (
        f"For {', '.join(labels)}, transformers' pipeline gives the scores before calibration: the calibration is not "
        "in the weights, and only civility applies it. The thresholds are for calibrated scores."
    )


def _listed(names: Sequence[str]) -> str:
    """Return the first names, and how many more labels there are."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {count(more, 'more label')}" if more > 0 else "")


def _rarer(numbers: LabelReport) -> str:
    if numbers.num_positive <= numbers.num_negative:
        return f"{numbers.num_positive} positive"
    return f"{numbers.num_negative} negative"


def optimism(report: Report) -> str:
    """Return the sentence that says what was chosen on these very comments; empty if nothing was."""
    return optimism_of(report.optimistic)


def optimism_of(what: Sequence[Optimistic]) -> str:
    """Return the sentence that says that these were chosen on the very comments; empty for none."""
    if not what:
        return ""
    chosen = [_CHOSEN[one] for one in what]
    listed = " and ".join(filter(None, [", ".join(chosen[:-1]), chosen[-1]]))
    verb = "were" if len(chosen) > 1 or what[0] == "thresholds" else "was"
    return (
        f"{listed[0].upper()}{listed[1:]} {verb} chosen on these comments, so the numbers are a little optimistic: "
        "evaluate on comments that took no part for numbers to rely on."
    )
