"""``civility ensemble``: several classifiers become one that averages what they say."""

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from civility.cli.arguments import Number, add_columns, add_verb, columns_of

if TYPE_CHECKING:
    from rich.console import Console

    from civility.combine.build_ensemble import Combined


def add(verbs: Any) -> None:
    """Add the verb's options and help."""
    parser = add_verb(
        verbs,
        "ensemble",
        run,
        "Make one classifier of several, of any kinds, that averages what they say: a linear model makes other "
        "mistakes than a\ntransformer. Leaves a run directory with classifier and report, which every verb takes.",
        """\
what is averaged (--by):
  scores     calibrated scores: for members of any kinds
  logits     before calibration: for runs of one recipe that differ in their seeds
  ranks      a score's rank among those of the comments: for members whose scales are not alike

Calibration and thresholds of the whole are chosen on the comments that all runs held out. Where these differ, name
labelled comments that no member was trained on (--data).

examples:
  civility ensemble runs/baseline runs/linear --out runs/both
  civility ensemble runs/seed-1 runs/seed-2 runs/seed-3 --by logits --out runs/three
  civility ensemble runs/baseline runs/linear --weights 3 1 --out runs/both --link
  civility ensemble ./classifier-a ./classifier-b --data labelled.csv --out runs/ab
""",
    )
    parser.add_argument("targets", nargs="+", metavar="CLASSIFIER", help="run directories or classifier folders")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="the run directory to be")
    parser.add_argument(
        "--weights",
        nargs="+",
        type=Number(0, 1e9),
        default=[],
        metavar="NUMBER",
        help="one a classifier; default: all alike",
    )
    parser.add_argument(
        "--by",
        default="scores",
        choices=("scores", "ranks", "logits"),
        metavar="WHAT",
        help="what is averaged: scores, ranks or logits; default: %(default)s",
    )
    parser.add_argument("--link", action="store_true", help="refer to the members where they are, and copy none")
    add_common_comments(parser)
    add_columns(parser)


def add_common_comments(parser: Any) -> None:
    """Add what says on which comments, and by which policy, the whole is calibrated and cut."""
    parser.add_argument(
        "--data",
        nargs="+",
        action="extend",
        metavar="FILE",
        help="labelled comments that no member was trained on; default: the comments that all runs held out",
    )
    parser.add_argument(
        "--policy", default="", metavar="TEXT", help="of the thresholds; default: that of the first run, or F1"
    )


def run(options: Namespace, command: list[str]) -> None:
    """Run the verb."""
    from civility.cli.console import make_console, print_notes, scoring_bar
    from civility.combine.build_ensemble import Averaging, ensemble

    with scoring_bar(make_console(stderr=True)) as bar:
        done = ensemble(
            options.targets,
            Path(options.out),
            Averaging(options.by, tuple(options.weights), options.link, options.policy),
            files=options.data or (),
            columns=columns_of(options),
            command=command,
            on_scored=bar.advance_in,
        )
    print_notes(make_console(stderr=True), done.report.notes)
    print_combined(make_console(), done)


def print_combined(console: "Console", done: "Combined") -> None:
    """Print what was made of what."""
    from rich.table import Table
    from rich.text import Text

    from civility.plain_text import one_line
    from civility.render.sentences.report_sentences import shown
    from civility.render.terminal.report_tables import print_report

    found = done.makeup
    table = Table(box=None, padding=(0, 0, 0, 2), header_style="bold")
    table.add_column("member", overflow="fold")
    for name in ("weight", "macro ROC AUC"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, weight, score in zip(found.members, found.weights, found.scores, strict=True):
        table.add_row(Text(one_line(name)), f"{weight:.3f}" if weight else "out", shown(score))
    table.add_row(Text(one_line(found.kind)), "", shown(found.score))
    console.print(table)
    console.print()
    print_report(console, done.report)
    console.print(f"\n  classifier   {done.run.classifier}")
    console.print(f"  report       {done.run.reports / f'{done.report.name}.html'}")
