"""The command line as argparse sees it, with the help that names all verbs; each verb's own is in `verbs`."""

import argparse
from typing import Any, NoReturn

from civility.cli import audit, compare, ensemble, evaluate, predict, recipes, soup, sweep, thresholds, train
from civility.cli.arguments import HelpFormatter
from civility.cli.messages import say_error
from civility.errors import UserError, did_you_mean

COMMANDS = (train, sweep, evaluate, thresholds, compare, ensemble, soup, predict, audit, recipes)
"""A module a command, in the order of the help: `add` defines its options, `run` carries it out."""

_DESCRIPTION = """\
Train multi-label toxic-comment classifiers, and run them anywhere.

  train      a recipe and labelled comments  ->  a run directory with a classifier in it
  sweep      a recipe and a space of settings  ->  many runs, and the recipe of the best
  evaluate   a classifier and labelled comments  ->  a report
  thresholds a classifier, labelled comments and a policy  ->  the score from which a comment is flagged, by label
  compare    reports on the same comments  ->  which is better, and is it noise
  ensemble   several classifiers, of any kinds  ->  one that averages what they say
  soup       runs of one encoder  ->  one classifier with the average of their weights
  predict    a classifier and comments  ->  a score a comment and label
  audit      files of comments  ->  what is wrong with them, before a GPU hour is spent
  recipes    list the shipped recipes, or print one
"""

_EPILOG = """\
the first five minutes:
  civility train starter                              see it work, on a built-in corpus
  echo "have a nice day" | civility predict runs/starter --data -
  civility train baseline --data train.csv            the baseline recipe on your own comments
  civility evaluate runs/baseline --data test.csv test_labels.csv
  civility thresholds runs/baseline --data validation.csv --policy 'default: precision>=0.8'
  civility audit train.csv test.csv                   look at the comments before training on them

'civility VERB --help' tells more. Exit codes: 0 done, 2 a mistake that you can mend, 3 a requirement
failed, 1 a bug, 130 interrupted.
"""


class _Parser(argparse.ArgumentParser):
    """A parser that names the closest word, and says its errors as the rest of civility does."""

    def error(self, message: str) -> NoReturn:
        say_error(UserError("cli.todo", message, remedy=f"see '{self.prog} --help'"))
        raise SystemExit(2)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.dest == "resume" and value not in ("yes", "auto"):
            raise argparse.ArgumentError(
                None,
                f"--resume {value}: only 'auto' may follow --resume; RECIPE stands before it, and the run's folder "
                f"after --out, as in: civility train --resume --out {value}",
            )
        if action.choices is not None and value not in action.choices:
            known = [str(choice) for choice in action.choices]
            what = "".join(action.option_strings[-1:]) or action.metavar or action.dest
            raise argparse.ArgumentError(
                None,
                f"unknown {what} {value!r}{did_you_mean(str(value), known)}: choose from {', '.join(known)}",
            )


def build_parser(version: str) -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = _Parser(
        prog="civility",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
        usage="civility VERB …",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"civility {version}")
    verbs = parser.add_subparsers(dest="verb", metavar="verb", prog="civility", required=True, help=argparse.SUPPRESS)
    for verb in COMMANDS:
        verb.add(verbs)
    return parser
