"""What a person sees of several runs: a line before each, and a table of what they have come to."""

import math
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from civility.plain_text import count, one_line
from civility.render.sentences.report_sentences import METRIC_NAMES, with_interval
from civility.render.terminal.layout import first_that_fits, paragraph

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from civility.evaluation import Report
    from civility.training.repeats import Turn
    from civility.training.repeats.summary import Spread, Summary

_LONGEST_NAME = 17
_COLUMNS = ("mean", "SD", "lowest", "highest", "runs")
_STATES = {"new": "", "resume": "goes on", "kept": "has reached its end, and is kept"}


def print_turn(console: Console, turn: "Turn") -> None:
    """Print whose turn it is."""
    state = f"   {_STATES[turn.begin]}" if _STATES[turn.begin] else ""
    console.print(f"\n── {turn.member.name}   {turn.number} of {turn.num}{state}\n", style="bold")


def print_summary(console: Console, summary: "Summary") -> None:
    """Print mean, standard deviation and range of each label over the runs, for each metric."""
    console.print()
    paragraph(console, f"{count(len(summary.runs), 'run')}: {', '.join(map(one_line, summary.runs))}")
    console.print()
    for metric, rows in summary.metrics.items():
        tables = (_table(METRIC_NAMES[metric], rows, num) for num in (len(_COLUMNS), 2))
        console.print(first_that_fits(console, tables))
        console.print()
    paragraph(console, "SD: standard deviation over the runs (n - 1)", style="dim")


def _table(name: str, rows: "Mapping[str, Spread]", num_columns: int) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column(f"  {name}", min_width=_LONGEST_NAME + 2, max_width=_LONGEST_NAME + 2, no_wrap=True)
    for column in _COLUMNS[:num_columns]:
        table.add_column(column, justify="right", no_wrap=True, min_width=7)
    for label, spread in rows.items():
        table.add_row(Text(f"  {one_line(label)}"), *_cells(spread)[:num_columns])
    return table


def print_out_of_fold(console: Console, report: "Report", scores: "Path", page: "Path") -> None:
    """Print what the scores of all comments come to, each by the run that was not trained on it."""
    macro = report.macro
    num_comments = count(report.data.num_comments, "comment")
    console.print()
    paragraph(
        console,
        f"{num_comments}, each scored by the run that was not trained on it: macro ROC AUC "
        f"{with_interval(macro.roc_auc, 4)}, average precision {with_interval(macro.average_precision, 4)}",
    )
    console.print()
    console.print(f"  scores   {one_line(str(scores))}\n  report   {one_line(str(page))}")


def _cells(spread: "Spread") -> tuple[str, ...]:
    known = [value for value in spread.values if value is not None]
    ends = (min(known), max(known)) if known else (None, None)
    numbers = (spread.mean, spread.sd, *ends)
    written = ("-" if number is None or math.isnan(number) else f"{number:.4f}" for number in numbers)
    return (*written, str(len(known)))
