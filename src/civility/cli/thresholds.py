"""``civility thresholds``: each label's threshold, chosen by a policy and written into the classifier."""

import math
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from civility.cli.arguments import add_columns, add_held_out_data, columns_of
from civility.cli.console import make_console, print_notes, scoring_bar
from civility.cli.parser import add_command
from civility.plain_text import count, one_line
from civility.render.terminal.layout import first_that_fits, has_intervals, paragraph

if TYPE_CHECKING:
    from civility.evaluation.choose_thresholds import ThresholdsSet
    from civility.metrics.threshold_search import ShareEstimate, ThresholdChoice

_WIDEST_LABEL = 14
_COLUMNS = ("label", "policy", "from", "precision", "recall", "per 1000", "met")
_LAYOUTS = (
    (_COLUMNS, 20),
    (("label", "policy", "from", "precision", "recall", "met"), 14),
    (("label", "policy", "from", "precision*", "recall*", "per 1000", "met"), 16),
    (("label", "policy", "from", "precision*", "recall*"), 14),
    (("label", "from", "precision*"), 14),
)
"""Columns and the width of the policy, the richest first: the first that fits into the terminal is shown."""
_LEGEND = "in brackets: 95 % intervals; per 1000: comments flagged, and those for review"


def add(commands: Any) -> None:
    """Add the command's options and help."""
    parser = add_command(
        commands,
        run,
        "Choose a threshold for each label by a policy, on labelled comments that the classifier was not trained on. "
        "The thresholds are written into the classifier, where 'predict --decisions' finds them.",
        """\
a policy for each label, and 'default' for the others. Without a default, labels not named keep their thresholds:
  f1                        the highest F1
  precision>=0.8            the highest recall with at least this precision
  recall>=0.9               the highest precision with at least this recall
  fpr<=1%                   the highest recall with at most this false positive rate
  flagged<=20 per 1000      the highest recall with at most 20 of 1,000 comments flagged
  bands(precision>=0.95, review<=20 per 1000)
                            three decisions: remove from the threshold of the first policy up, review up to 20 of
                            1,000 comments below it, allow the rest
Quote a label whose name contains a colon, a semicolon or quotes: '"a:b": f1'.

examples:
  civility thresholds runs/baseline                        on the comments that the run held out
  civility thresholds runs/baseline --data validation.csv
  civility thresholds runs/baseline --data validation.csv --policy 'threat: recall>=0.9; default: precision>=0.8'
  civility thresholds runs/baseline --data validation.csv --policy 'default: bands(f1, review<=20 per 1000)' --check
  civility thresholds runs/baseline --data our-labelled-sample.csv --calibrate
""",
    )
    parser.add_argument("target", metavar="TARGET", help="run directory or classifier folder")
    add_held_out_data(parser)
    parser.add_argument(
        "--policy",
        default="",
        metavar="TEXT",
        help="what the thresholds must reach; default: the policy stored with each label, or f1",
    )
    parser.add_argument(
        "--calibrate",
        action="store_true",
        help="first recalibrate the scores on these comments: none, temperature or Platt, whichever fits best",
    )
    parser.add_argument("--check", action="store_true", help="print the thresholds, but write nothing")
    add_columns(parser)


def run(options: Namespace, command: list[str]) -> None:
    """Run the command."""
    from civility.evaluation.choose_thresholds import ThresholdRequest, set_thresholds

    with scoring_bar(make_console(stderr=True)) as bar:
        done = set_thresholds(
            options.target,
            options.data or (),
            ThresholdRequest(options.policy, calibrate=options.calibrate, check=options.check),
            columns=columns_of(options),
            on_scored=bar.advance,
        )
    print_notes(make_console(stderr=True), done.notes)
    print_thresholds(make_console(), done)


def print_thresholds(console: Console, done: "ThresholdsSet") -> None:
    """Print the thresholds chosen, with what they do to the comments they were chosen on."""
    from civility.render.sentences.report_sentences import not_chosen, optimism_of

    console.print(f"{count(done.num_comments, 'comment')}\n")
    for label, reason in done.calibrated.items():
        paragraph(console, f"{label}: calibration {reason}")
    if done.calibrated:
        console.print()
    table = first_that_fits(console, (_table(done, *layout) for layout in _LAYOUTS))
    console.print(table)
    console.print()
    if has_intervals(table):
        paragraph(console, _LEGEND, style="dim")
    paragraph(console, optimism_of(("calibration", "thresholds") if done.calibrated else ("thresholds",)), style="dim")
    for label, choice in done.choices.items():
        if choice.is_remarkable:
            paragraph(console, f"{label}: {choice.why}", style="" if choice.met else "yellow")
    for label, threshold in done.kept.items():
        paragraph(console, f"{label}: stays at {threshold:.4g}")
    if done.not_chosen_from_data:
        paragraph(console, not_chosen(done.not_chosen_from_data), style="yellow")
    console.print(f"\n  thresholds   {one_line(str(done.path)) if done.written else 'nothing was written (--check)'}")


def _table(done: "ThresholdsSet", columns: Sequence[str], widest_policy: int) -> Table:
    table = Table(box=None, padding=(0, 0, 0, 2), header_style="bold")
    for name in columns:
        if name in ("label", "policy"):
            table.add_column(name, overflow="fold", max_width=_WIDEST_LABEL if name == "label" else widest_policy)
        else:
            table.add_column(name.rstrip("*"), justify="right", no_wrap=True)
    for label, choice in done.choices.items():
        style = "" if choice.met else "yellow"
        for row in _rows(label, choice):
            cells = dict(zip(_COLUMNS, row, strict=True))
            table.add_row(*(_cell(cells, name) for name in columns), style=style)
    return table


def _cell(cells: Mapping[str, str], column: str) -> str:
    """Return the cell of a column, without its interval if its name ends in ``*``."""
    cell = cells[column.rstrip("*")]
    return cell.partition(" [")[0] if column.endswith("*") else cell


def _rows(label: str, choice: "ThresholdChoice") -> list[tuple[str, ...]]:
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


def _interval(share: "ShareEstimate") -> str:
    if math.isnan(share.value):
        return "undefined"
    return f"{share.value:.2f} [{share.low:.2f}, {share.high:.2f}]"
