"""``civility ensemble``: one classifier that averages the scores of several."""

import argparse
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from civility.cli.arguments import Number, add_columns, add_many, columns_of
from civility.cli.console import make_console, print_notes, scoring_bar
from civility.cli.parser import add_command
from civility.plain_text import one_line

if TYPE_CHECKING:
    from civility.combine.combined_run import Combined


def add(commands: Any) -> None:
    """Add the command's options and help."""
    parser = add_command(
        commands,
        run,
        "Combine several classifiers of any kind into one that averages their scores. A linear model makes other "
        "mistakes than a transformer, so the average is often better than either. Writes a run directory with "
        "classifier and report.",
        """\
what is averaged (--by):
  scores     calibrated scores: for members of any kinds
  logits     logits before calibration: for runs of one recipe with different seeds
  ranks      the rank of a score among those of the comments: for members whose scales differ

The calibration and thresholds of the ensemble are chosen on the comments that all runs held out. If they held out
different comments, name labelled comments that no member was trained on (--data).

examples:
  civility ensemble runs/baseline runs/linear --out runs/both
  civility ensemble runs/seed-1 runs/seed-2 runs/seed-3 --by logits --out runs/three
  civility ensemble runs/baseline runs/linear --weights 3 1 --out runs/both --link
  civility ensemble ./classifier-a ./classifier-b --data labelled.csv --out runs/ab
""",
    )
    parser.add_argument("targets", nargs="+", metavar="CLASSIFIER", help="run directories or classifier folders")
    parser.add_argument("--out", required=True, metavar="DIR", help="run directory to write")
    parser.add_argument(
        "--weights",
        nargs="+",
        type=Number(0, 1e9),
        default=[],
        metavar="NUMBER",
        help="weight of each classifier; default: equal weights",
    )
    parser.add_argument(
        "--by",
        default="scores",
        choices=("scores", "ranks", "logits"),
        metavar="WHAT",
        help="scores, ranks or logits; default: %(default)s",
    )
    parser.add_argument("--link", action="store_true", help="refer to the members where they are, instead of copying")
    add_common_comments(parser)
    add_columns(parser)


def add_common_comments(parser: argparse.ArgumentParser) -> None:
    """Add the options for calibration and thresholds of an ensemble or a soup."""
    add_many(
        parser,
        "--data",
        "FILE",
        "labelled comments that no member was trained on; default: those that all runs held out",
    )
    parser.add_argument(
        "--policy", default="", metavar="TEXT", help="policy of the thresholds; default: the first run's, or f1"
    )


def run(options: Namespace, command: list[str]) -> None:
    """Run the command."""
    from civility.combine.build_ensemble import Averaging, ensemble

    averaging = Averaging(options.by, tuple(options.weights), options.link, options.policy)
    combine(ensemble, averaging, options, command)


def combine(build: Callable[..., "Combined"], how: object, options: Namespace, command: list[str]) -> None:
    """Combine the classifiers that the options name, and print the members with their scores, and the report.

    ``build`` is `civility.combine.build_ensemble.ensemble` or `civility.combine.build_soup.soup`, ``how`` its options.
    """
    from civility.render.sentences.report_sentences import metric_text
    from civility.render.terminal.report_tables import print_report

    with scoring_bar(make_console(stderr=True)) as bar:
        done = build(
            options.targets,
            Path(options.out),
            how,
            files=options.data,
            columns=columns_of(options),
            command=command,
            on_scored=bar.advance_in,
        )
    print_notes(make_console(stderr=True), done.report.notes)
    console, found = make_console(), done.makeup
    table = Table(box=None, padding=(0, 0, 0, 2), header_style="bold")
    table.add_column("member", overflow="fold")
    for name in ("weight", "macro ROC AUC"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, weight, score in zip(found.members, found.weights, found.scores, strict=True):
        table.add_row(Text(one_line(name)), f"{weight:.3f}" if weight else "out", metric_text(score))
    table.add_row(Text(one_line(found.kind)), "", metric_text(found.score))
    console.print(table)
    console.print()
    print_report(console, done.report)
    console.print(f"\n  classifier   {done.run.classifier}")
    console.print(f"  report       {done.run.reports / f'{done.report.name}.html'}")
