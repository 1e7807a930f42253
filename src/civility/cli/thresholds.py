"""``civility thresholds``: each label's threshold, chosen by a policy and written into the classifier."""

from argparse import Namespace
from typing import Any

from civility.cli.arguments import add_columns, add_labelled_data, add_verb, columns_of


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
    from civility.cli.live_display import make_console, print_notes, scoring_bar
    from civility.cli.threshold_tables import print_thresholds
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
