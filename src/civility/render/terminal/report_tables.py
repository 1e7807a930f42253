"""A report in a terminal. Never shows the text of a comment."""

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from civility.documents.behaviour_report import BiasReport
from civility.documents.label_report import AnyLabel, Estimate, LabelReport, Macro
from civility.documents.report import Report
from civility.plain_text import one_line
from civility.render.sentences.report_sentences import (
    MEASURABLE,
    METRIC_NAMES,
    labels_by_verdict,
    metric_text,
    not_chosen,
    not_measurable_sentence,
    optimism,
    undefined_reason,
    with_interval,
)
from civility.render.terminal.layout import first_that_fits, has_intervals, paragraph

_LONGEST_NAME = 17
_SHOWN = ("roc_auc", "precision", "recall")
_HEADS = {
    "roc_auc": "ROC AUC",
    "precision": "precision",
    "recall": "recall",
    "threshold": "threshold",
    "num_positive": "positive",
}
_LAYOUTS = (
    ("roc_auc", "precision", "recall", "threshold", "num_positive"),
    ("roc_auc*", "precision", "recall", "threshold", "num_positive"),
    ("roc_auc*", "precision", "recall", "num_positive"),
    ("roc_auc*", "precision", "recall"),
    ("roc_auc*", "precision*", "recall*", "threshold", "num_positive"),
    ("roc_auc*", "precision*", "recall*", "num_positive"),
    ("roc_auc*", "precision*", "recall*"),
    ("roc_auc*",),
)
"""Columns, the richest first: the first layout that fits the terminal is used; ``*`` leaves the intervals out."""
_STYLES = {"good": "green", "review": "yellow", "weak": "red", "unsure": "magenta", "undefined": "dim"}


def print_report(console: Console, report: Report) -> None:
    """Print the verdict, a table of the labels, and a line of each thing else that was measured."""
    paragraph(console, labels_by_verdict(report))
    console.print()
    table = first_that_fits(console, (_table(report, columns) for columns in _LAYOUTS))
    console.print(table)
    legend = "precision and recall at the threshold"
    paragraph(console, f"in brackets: 95 % intervals; {legend}" if has_intervals(table) else legend, style="dim")
    if any(getattr(numbers, name).value is None for numbers in report.labels.values() for name in _SHOWN):
        paragraph(console, "macro: over the labels where the number is defined", style="dim")
    if report.not_chosen_from_data:
        paragraph(console, not_chosen(report.not_chosen_from_data), style="yellow")
    if report.not_measurable:
        paragraph(console, not_measurable_sentence(report), style="yellow")
    for label in report.labels:
        for line in _undefined(label, report):
            paragraph(console, line)
    lines = _lines(report)
    if lines:
        console.print()
    for name, line in lines:
        paragraph(console, line, f"{name:<12} ")
    if optimism(report):
        console.print()
        paragraph(console, optimism(report))


def _undefined(label: str, report: Report) -> Iterator[str]:
    """Yield a line for each reason for which numbers of a label in the table are undefined."""
    numbers_of: dict[str, list[str]] = {}
    for number in _SHOWN:
        path = f"labels.{label}.{number}"
        if path in report.undefined:
            numbers_of.setdefault(undefined_reason(report, path), []).append(METRIC_NAMES[number])
    for why, numbers in numbers_of.items():
        yield f"{label}: undefined: {', '.join(numbers)}: {why}"


def _table(report: Report, columns: Sequence[str]) -> Table:
    """Return the table with the columns of a layout."""
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("  label", max_width=_LONGEST_NAME + 2, no_wrap=True, overflow="ellipsis")
    table.add_column("verdict", no_wrap=True, min_width=9)
    for column in columns:
        table.add_column(_HEADS[column.rstrip("*")], justify="right", no_wrap=True)
    for label, numbers in report.labels.items():
        word = numbers.verdict
        table.add_row(Text(f"  {one_line(label)}"), Text(word, style=_STYLES[word]), *_cells(numbers, columns))
    table.add_row("  any label", "", *_cells(report.any_label, columns))
    table.add_row("  macro", "", *_cells(report.macro, columns), style="bold")
    if report.measurable is not None:
        table.add_row(f"  {MEASURABLE}", "", *_cells(report.measurable, columns), style="bold")
    return table


def _cells(numbers: LabelReport | AnyLabel | Macro, columns: Sequence[str]) -> Iterator[str]:
    for column in columns:
        name = column.rstrip("*")
        found = getattr(numbers, name, None)
        digits = 2 if name in ("precision", "recall") else 3
        if isinstance(found, Estimate):
            yield metric_text(found.value, digits) if column.endswith("*") else _short_interval(found, digits)
        else:
            yield "" if found is None else f"{found:,}" if isinstance(found, int) else f"{found:.3f}"


def _short_interval(estimate: Estimate, digits: int) -> str:
    """Return a share with its interval, as ``0.91 [.88, .94]``."""
    return with_interval(estimate, digits).replace("[0.", "[.").replace(", 0.", ", .")


def _lines(report: Report) -> list[tuple[str, str]]:
    lines = [("bias", _bias_line(bias)) for bias in (report.bias, *report.templates.values()) if bias]
    for name, suite in report.suites.items():
        worst = sorted(suite.functions, key=lambda one: one.share_right.value or 0.0)[:3]
        named = ", ".join(f"{one.function} {one.num_right:,}/{one.num_cases:,}" for one in worst)
        lines.append(("suite", f"{name}: {with_interval(suite.share_right)} as expected; lowest: {named}"))
    if report.robustness and report.robustness.perturbations:
        worst_first = sorted(report.robustness.perturbations, key=lambda one: one.macro_recall_change.value or 0.0)
        named = ", ".join(f"{one.name} {one.strength:g} {_signed(one.macro_recall_change)}" for one in worst_first[:3])
        lines.append(("robustness", f"worst changes of macro recall: {named}"))
    return lines


def _signed(estimate: Estimate) -> str:
    return "-" if estimate.value is None else f"{estimate.value:+.2f}"


def _bias_line(bias: BiasReport) -> str:
    measured = [(group.subgroup_auc.value, name) for name, group in bias.groups.items() if group.subgroup_auc.value]
    lowest = ", ".join(f"{name} {metric_text(value, 3)}" for value, name in sorted(measured)[:3])
    least = f"; lowest subgroup ROC AUC: {lowest}" if lowest else ""
    return f"{bias.source}: final {with_interval(bias.final)} of {bias.label}{least}"
