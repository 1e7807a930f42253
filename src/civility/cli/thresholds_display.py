"""What a person sees of thresholds: a table that fits 100 columns, and what cannot be met in words."""

import math
from dataclasses import replace

from rich.console import Console
from rich.table import Table

from civility.cli.report_display import paragraph
from civility.metrics.thresholds import Choice, Estimate
from civility.plain_text import one_line
from civility.report.words import optimism_of
from civility.thresholds import ThresholdsSet

_WIDTH = 100
_WIDEST_LABEL = 14
_WIDEST_POLICY = 20
_LEGEND = "precision and recall with 95 % intervals; per 1000: comments flagged, and those for review"


def print_thresholds(console: Console, done: ThresholdsSet) -> None:
    """Print the thresholds chosen, with what they do to the comments they were chosen on."""
    console.print(f"{done.num_comments:,} comments\n")
    for label, reason in done.calibrated.items():
        paragraph(console, f"{label}: calibration {reason}")
    if done.calibrated:
        console.print()
    console.print(_table(done), width=min(console.width, _WIDTH))
    console.print()
    paragraph(console, _LEGEND, style="dim")
    paragraph(console, optimism_of(("calibration", "thresholds") if done.calibrated else ("thresholds",)), style="dim")
    for label, choice in done.choices.items():
        if choice.is_remarkable:
            paragraph(console, f"{label}: {choice.why}", style="" if choice.met else "yellow")
    for label, threshold in done.kept.items():
        paragraph(console, f"{label}: stays at {threshold:.4g}")
    console.print(f"\n  thresholds   {one_line(str(done.path)) if done.written else 'nothing was written (--check)'}")


def _table(done: ThresholdsSet) -> Table:
    table = Table(box=None, padding=(0, 0, 0, 2), header_style="bold")
    table.add_column("label", overflow="fold", max_width=_WIDEST_LABEL)
    table.add_column("policy", overflow="fold", max_width=_WIDEST_POLICY)
    for name in ("from", "precision", "recall", "per 1000", "met"):
        table.add_column(name, justify="right", no_wrap=True)
    for label, choice in done.choices.items():
        style = "" if choice.met else "yellow"
        for row in _rows(label, choice):
            table.add_row(*row, style=style)
    return table


def _rows(label: str, choice: Choice) -> list[tuple[str, ...]]:
    """Return the row of a label, and one more for its band for review."""
    flagged = (
        *(one_line(label), str(replace(choice.policy, review=None)), f"{choice.threshold:.4g}"),
        *(_interval(choice.precision), _interval(choice.recall), f"{choice.flagged_per_1000:.1f}"),
        "yes" if choice.met else "no",
    )
    if choice.review_threshold is None:
        return [flagged]
    budget = f"review<={choice.policy.review:g} per 1000"
    return [flagged, ("", budget, f"{choice.review_threshold:.4g}", "", "", f"{choice.review_per_1000:.1f}", "")]


def _interval(share: Estimate) -> str:
    if math.isnan(share.value):
        return "undefined"
    return f"{share.value:.2f} [{share.low:.2f}, {share.high:.2f}]"
