"""``civility soup``: one classifier with the average weights of several runs of one encoder."""

from argparse import Namespace
from typing import Any

from civility.cli.arguments import add_columns
from civility.cli.ensemble import add_common_comments, combine
from civility.cli.parser import add_command


def add(commands: Any) -> None:
    """Add the command's options and help."""
    parser = add_command(
        commands,
        run,
        "Average the weights of several runs that were fine-tuned from the same pretrained encoder. The result is an "
        "ordinary classifier, as fast as one of the runs, in a run directory with its report.",
        """\
The runs need the same architecture, labels and tokenizer. Calibration and thresholds are chosen on the comments that
all of them held out: train the runs on one split (data.split_seed), or name labelled comments (--data). If the soup is
worse than its best member, a warning says so.

examples:
  civility soup runs/seed-1 runs/seed-2 runs/seed-3 --out runs/soup
  civility soup runs/rate-* --greedy --out runs/soup
""",
    )
    parser.add_argument("targets", nargs="+", metavar="RUN", help="run directories")
    parser.add_argument("--out", required=True, metavar="DIR", help="run directory to write")
    parser.add_argument(
        "--greedy",
        action="store_true",
        help="add runs from the best down, and keep each that does not lower the macro ROC AUC; default: keep all",
    )
    add_common_comments(parser)
    add_columns(parser)


def run(options: Namespace, command: list[str]) -> None:
    """Run the command."""
    from civility.combine.build_soup import SoupOptions, soup

    combine(soup, SoupOptions(options.greedy, options.policy), options, command)
