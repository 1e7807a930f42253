"""What a person sees of a report in a terminal of 100 columns. Drawn from the report alone; shows no comment's text."""

import textwrap
from collections.abc import Iterator, Mapping

from rich.console import Console
from rich.table import Table
from rich.text import Text

from civility.plain_text import one_line
from civility.report.document import AnyLabel, BiasReport, Estimate, LabelReport, Macro, Report
from civility.report.words import METRIC_NAMES, optimism, shown, with_interval

_WIDTH = 100
_LONGEST_NAME = 17
_SHOWN = ("roc_auc", "precision", "recall")
_STYLES = {"good": "green", "review": "yellow", "weak": "red", "unsure": "magenta", "undefined": "dim"}


def print_report(console: Console, report: Report) -> None:
    """Print the verdict, a table of the labels, and a line of each thing else that was measured."""
    paragraph(console, report.verdict.why)
    console.print()
    console.print(_table(report))
    console.print("  in brackets: 95 % intervals; precision and recall at the threshold", style="dim")
    if any(getattr(numbers, name).value is None for numbers in report.labels.values() for name in _SHOWN):
        console.print("  macro: over the labels where the number is defined", style="dim")
    for label in report.labels:
        for line in _undefined(label, report.undefined):
            paragraph(console, line)
    lines = _lines(report)
    if lines:
        console.print()
    for name, line in lines:
        paragraph(console, line, f"{name:<12} ")
    if optimism(report):
        console.print()
        paragraph(console, optimism(report))


def _undefined(label: str, undefined: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each reason for which numbers of a label in the table, or their intervals, are undefined."""
    numbers_of: dict[tuple[str, str], list[str]] = {}
    for number in _SHOWN:
        for end, said in (("", ""), (".low", "interval of ")):
            why = undefined.get(f"labels.{label}.{number}{end}")
            if why is not None:
                numbers_of.setdefault((said, why), []).append(METRIC_NAMES[number])
    for (said, why), numbers in numbers_of.items():
        yield f"{label}: undefined: {said}{', '.join(numbers)}: {why}"


def _table(report: Report) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("  label", max_width=_LONGEST_NAME + 2, no_wrap=True, overflow="ellipsis")
    table.add_column("verdict", no_wrap=True, min_width=9)
    for name in ("ROC AUC", "precision", "recall", "threshold", "positive"):
        table.add_column(name, justify="right", no_wrap=True)
    for label, numbers in report.labels.items():
        word = numbers.verdict.word
        table.add_row(
            Text(f"  {one_line(label)}"),
            Text(word, style=_STYLES[word]),
            *_numbers(numbers),
            f"{numbers.threshold:.3f}",
            f"{numbers.num_positive:,}",
        )
    table.add_row("  any label", "", *_numbers(report.any_label), "", f"{report.any_label.num_positive:,}")
    table.add_row("  macro", "", *_numbers(report.macro), "", "", style="bold")
    return table


def _numbers(numbers: LabelReport | AnyLabel | Macro) -> tuple[str, str, str]:
    return (
        _short_interval(numbers.roc_auc, 3),
        _short_interval(numbers.precision, 2),
        _short_interval(numbers.recall, 2),
    )


def _short_interval(estimate: Estimate, digits: int) -> str:
    """Return a share with its interval without the zeros before the point, as ``0.91 [.88, .94]``."""
    return with_interval(estimate, digits).replace("[0.", "[.").replace(", 0.", ", .")


def _lines(report: Report) -> list[tuple[str, str]]:
    lines = [("bias", _bias_line(bias)) for bias in (report.bias, *report.templates.values()) if bias]
    for name, suite in report.suites.items():
        worst = sorted(suite.functions, key=lambda one: one.share_right.value or 0.0)[:3]
        named = ", ".join(f"{one.function} {one.num_right:,}/{one.num_cases:,}" for one in worst)
        lines.append(("suite", f"{name}: {with_interval(suite.share_right)} as expected; least: {named}"))
    if report.robustness and report.robustness.perturbations:
        worst_first = sorted(report.robustness.perturbations, key=lambda one: one.macro_recall_change.value or 0.0)
        named = ", ".join(f"{one.name} {one.strength:g} {_signed(one.macro_recall_change)}" for one in worst_first[:3])
        lines.append(("robustness", f"change of recall, mean over labels, at worst: {named}"))
    return lines


def _signed(estimate: Estimate) -> str:
    return "-" if estimate.value is None else f"{estimate.value:+.2f}"


def _bias_line(bias: BiasReport) -> str:
    measured = [(group.subgroup_auc.value, name) for name, group in bias.groups.items() if group.subgroup_auc.value]
    lowest = ", ".join(f"{name} {shown(value, 3)}" for value, name in sorted(measured)[:3])
    least = f"; lowest subgroup ROC AUC: {lowest}" if lowest else ""
    return f"{bias.source}: final {with_interval(bias.final)} of {bias.label}{least}"


def paragraph(console: Console, text: str, head: str = "", style: str = "") -> None:
    """Print text wrapped, its first line behind ``head`` and the others below it; names in it are the user's."""
    lines = textwrap.wrap(one_line(text), _WIDTH - 2 - len(head), break_long_words=False, break_on_hyphens=False) or [
        ""
    ]
    written = "\n".join(f"  {head if not place else ' ' * len(head)}{line}" for place, line in enumerate(lines))
    console.print(written, style=style)
