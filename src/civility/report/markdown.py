"""A report as Markdown: for a terminal, a review or a model card. Drawn from the report alone."""

import math

from civility.report.measure import METRICS, Report

METRIC_NAMES = {"roc_auc": "ROC AUC", "average_precision": "average precision"}


def shown(value: float, digits: int = 4) -> str:
    """Return a metric for a person: four digits, or a dash where it is undefined."""
    return "-" if math.isnan(value) else f"{value:.{digits}f}"


def code(text: str) -> str:
    """Return text as inline code that cannot break a table: file and label names are the user's."""
    return "`" + " ".join(text.splitlines()).replace("`", "'").replace("|", "\\|") + "`"


def table(report: Report) -> str:
    """Return the table of a report: a row a label and the macro average below."""
    lines = [
        "| label | " + " | ".join(METRIC_NAMES[metric] for metric in METRICS) + " | positive | negative | unknown |",
        "|---|" + "---:|" * (len(METRICS) + 3),
    ]
    for label, numbers in report.labels.items():
        values = " | ".join(shown(getattr(numbers, metric)) for metric in METRICS)
        counts = f"{numbers.num_positive:,} | {numbers.num_negative:,} | {numbers.num_unknown:,}"
        lines.append(f"| {code(label)} | {values} | {counts} |")
    values = " | ".join(f"**{shown(report.macro(metric))}**" for metric in METRICS)
    lines.append(f"| **macro** | {values} | | | |")
    return "\n".join(lines)


def undefined_notes(report: Report) -> str:
    """Return a line for each metric that is undefined, or an empty string."""
    if not report.undefined:
        return ""
    lines = [f"- {code(name)}: {reason}" for name, reason in report.undefined.items()]
    return "Undefined, and left out of the macro average:\n\n" + "\n".join(lines)


def to_markdown(report: Report, title: str, note: str = "") -> str:
    """Return a whole page.

    Parameters
    ----------
    report : what to show
    title : of the page
    note : a sentence above the table, as what the split was used for
    """
    files = ", ".join(code(file) for file in report.files)
    parts = [
        f"# {title}",
        f"{report.num_comments:,} comments from {files} ({code(report.digest[:19])})",
        note,
        table(report),
        undefined_notes(report),
        "The macro average is the mean over the labels above where the metric is defined.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"
