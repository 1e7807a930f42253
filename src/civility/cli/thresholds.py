"""``civility thresholds``: each label's threshold, chosen by a policy and written into the classifier."""

import math
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from civility.cli.arguments import add_columns, add_labelled_data, add_verb, columns_of

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

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


def add(verbs: Any) -> None:
    """Add the verb's options and help."""
    parser = add_verb(
        verbs,
        "thresholds",
        run,
        "Choose each label's threshold by a policy, on labelled comments that the classifier was not trained on, and "
        "write them\ninto the classifier folder, where 'predict --decisions' and every later reader find them.",
        """\
a policy a label, and 'default' for the labels not named; without a default, those keep the threshold they have:
  f1                        the highest F1
  precision>=0.8            the highest recall with at least this precision
  recall>=0.9               the highest precision with at least this recall
  fpr<=1%                   the highest recall with at most this share of the negative comments flagged
  flagged<=20 per 1000      the highest recall with at most so many of all comments flagged
  bands(precision>=0.95, review<=20 per 1000)
                            three ways: remove from the first policy's threshold up, let people review so many below
                            it, allow the rest
a label's name with a colon, a semicolon or quotes stands in double quotes.

examples:
  civility thresholds runs/baseline --data validation.csv
  civility thresholds runs/baseline --data validation.csv --policy 'threat: recall>=0.9; default: precision>=0.8'
  civility thresholds runs/baseline --data validation.csv --policy 'default: bands(f1, review<=20 per 1000)' --check
  civility thresholds runs/baseline --data our-labelled-sample.csv --calibrate
""",
    )
    parser.add_argument("target", metavar="TARGET", help="a run directory or a classifier folder")
    add_labelled_data(parser)
    parser.add_argument(
        "--policy",
        default="",
        metavar="TEXT",
        help="what the thresholds are to reach; default: the policy stored with each label, f1 where there is none",
    )
    parser.add_argument(
        "--calibrate",
        action="store_true",
        help="first calibrate the scores on these comments anew (none, temperature or Platt)",
    )
    parser.add_argument("--check", action="store_true", help="print the thresholds, and write nothing")
    add_columns(parser)


def run(options: Namespace, command: list[str]) -> None:
    """Run the verb."""
    from civility.cli.console import make_console, print_notes, scoring_bar
    from civility.evaluation.choose_thresholds import Wish, set_thresholds

    with scoring_bar(make_console(stderr=True)) as bar:
        done = set_thresholds(
            options.target,
            options.data or (),
            Wish(options.policy, calibrate=options.calibrate, check=options.check),
            columns=columns_of(options),
            on_scored=bar.advance,
        )
    print_notes(make_console(stderr=True), done.notes)
    print_thresholds(make_console(), done)


def print_thresholds(console: "Console", done: "ThresholdsSet") -> None:
    """Print the thresholds chosen, with what they do to the comments they were chosen on."""
    from civility.plain_text import count, one_line
    from civility.render.sentences.report_sentences import not_chosen, optimism_of
    from civility.render.terminal.layout import first_that_fits, has_intervals, paragraph

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


def _table(done: "ThresholdsSet", columns: Sequence[str], widest_policy: int) -> "Table":
    from rich.table import Table

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
    from civility.plain_text import one_line

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
