"""What a person sees of several runs: a line before each, and a table of what they have come to."""

import math
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from civility.plain_text import one_line
from civility.report.words import METRIC_NAMES, with_interval

if TYPE_CHECKING:
    from pathlib import Path

    from civility.report import Report
    from civility.train.several import Turn
    from civility.train.several.summary import Spread, Summary

_LONGEST_NAME = 17
_STATES = {"new": "", "resume": "goes on", "kept": "has reached its end, and is kept"}


def print_turn(console: Console, turn: "Turn") -> None:
    """Print whose turn it is."""
    state = f"   {_STATES[turn.begin]}" if _STATES[turn.begin] else ""
    console.print(f"\n── {turn.member.name}   {turn.number} of {turn.num}{state}\n", style="bold")


def print_summary(console: Console, summary: "Summary") -> None:
    """Print mean, standard deviation and range of each label over the runs, for each metric."""
    console.print(f"\n  {len(summary.runs)} runs: {', '.join(map(one_line, summary.runs))}\n")
    for metric, rows in summary.metrics.items():
        table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
        table.add_column(f"  {METRIC_NAMES[metric]}", min_width=_LONGEST_NAME + 2, no_wrap=True, overflow="ellipsis")
        for name in ("mean", "SD", "lowest", "highest", "runs"):
            table.add_column(name, justify="right", no_wrap=True, min_width=8)
        for label, spread in rows.items():
            table.add_row(Text(f"  {one_line(label)}"), *_cells(spread))
        console.print(table)
        console.print()
    console.print("  SD: standard deviation over the runs (n - 1)", style="dim")


def print_out_of_fold(console: Console, report: "Report", scores: "Path", page: "Path") -> None:
    """Print what the scores of all comments come to, each by the run that was not trained on it."""
    macro = report.macro
    console.print(
        f"\n  all {report.data.num_comments:,} comments, each scored by the run that was not trained on it:\n"
        f"  macro ROC AUC {with_interval(macro.roc_auc, 4)}, average precision "
        f"{with_interval(macro.average_precision, 4)}\n"
    )
    console.print(f"  scores   {one_line(str(scores))}\n  report   {one_line(str(page))}")


def _cells(spread: "Spread") -> tuple[str, ...]:
    known = [value for value in spread.values if value is not None]
    ends = (min(known), max(known)) if known else (None, None)
    numbers = (spread.mean, spread.sd, *ends)
    written = ("-" if number is None or math.isnan(number) else f"{number:.4f}" for number in numbers)
    return (*written, str(len(known)))
