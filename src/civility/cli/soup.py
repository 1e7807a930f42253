"""``civility soup``: several runs of one encoder become one, whose weights are the average of theirs."""

from argparse import Namespace
from pathlib import Path
from typing import Any

from civility.cli.arguments import add_columns, add_verb, columns_of
from civility.cli.ensemble import add_common_comments, print_combined


def add(verbs: Any) -> None:
    """Add the verb's options and help."""
    parser = add_verb(
        verbs,
        "soup",
        run,
        "Average the weights of several runs that were fine-tuned from the same pretrained encoder. The result is an "
        "ordinary\nclassifier that costs what one of them costs, in a run directory with its report.",
        """\
The runs need the same architecture, labels and tokenizer. Calibration and thresholds are chosen on the comments that
all of them held out: train them on one split (data.split_seed), or name labelled comments (--data).
If the soup is worse than its best member, that is said.

examples:
  civility soup runs/seed-1 runs/seed-2 runs/seed-3 --out runs/soup
  civility soup runs/rate-* --greedy --out runs/soup
""",
    )
    parser.add_argument("targets", nargs="+", metavar="RUN", help="run directories")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="the run directory to be")
    parser.add_argument(
        "--greedy",
        action="store_true",
        help="from the best run down, keep each that does not lower the soup's macro ROC AUC; default: keep all",
    )
    add_common_comments(parser)
    add_columns(parser)


def run(options: Namespace, command: list[str]) -> None:
    """Run the verb."""
    from civility.cli.console import make_console, print_notes, scoring_bar
    from civility.combine.build_soup import Cooking, soup

    with scoring_bar(make_console(stderr=True)) as bar:
        done = soup(
            options.targets,
            Path(options.out),
            Cooking(options.greedy, options.policy),
            files=options.data or (),
            columns=columns_of(options),
            command=command,
            on_scored=bar.advance_in,
        )
    print_notes(make_console(stderr=True), done.report.notes)
    print_combined(make_console(), done)
