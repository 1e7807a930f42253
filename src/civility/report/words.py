"""How a report is told: names of numbers, numbers as text, and the sentences that every page has."""

from civility.report.document import Estimate, Report

METRIC_NAMES = {
    "roc_auc": "ROC AUC",
    "average_precision": "average precision",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
}
_CHOSEN = {"epoch": "the best epoch", "calibration": "the calibration", "thresholds": "the thresholds"}


def shown(value: float | None, digits: int = 4) -> str:
    """Return a metric for a person: four digits, or a dash where it is undefined."""
    return "-" if value is None or value != value else f"{value:.{digits}f}"


def with_interval(estimate: Estimate, digits: int = 3) -> str:
    """Return a number and its 95 % interval, as ``0.912 [0.880, 0.941]``."""
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return shown(estimate.value, digits)
    return f"{estimate.value:.{digits}f} [{estimate.low:.{digits}f}, {estimate.high:.{digits}f}]"


def optimism(report: Report) -> str:
    """Return the sentence that says what was chosen on these very comments; empty if nothing was."""
    if not report.optimistic:
        return ""
    chosen = [_CHOSEN[what] for what in report.optimistic]
    listed = " and ".join(filter(None, [", ".join(chosen[:-1]), chosen[-1]]))
    verb = "was" if chosen == ["the best epoch"] or chosen == ["the calibration"] else "were"
    return (
        f"{listed[0].upper()}{listed[1:]} {verb} chosen on these comments, so the numbers are a little optimistic: "
        "evaluate on comments that took no part for numbers to rely on."
    )
