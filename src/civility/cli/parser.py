"""The command line as argparse sees it: verbs, options, and help written for a reader."""

import argparse
import sys
from typing import Any, NoReturn

from civility.errors import did_you_mean

_DESCRIPTION = """\
Train multi-label toxic-comment classifiers, and run them anywhere.

  train      a recipe and labelled comments  ->  a run directory with a classifier in it
  evaluate   a classifier and labelled comments  ->  a report
  thresholds a classifier, labelled comments and a policy  ->  the score from which a comment is flagged, by label
  compare    reports on the same comments  ->  which is better, and is it noise
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

_TARGET = "a run directory, a classifier folder, or the name of a multi-label classifier on the hub"


class _Once(argparse.Action):
    """Store a value, and refuse a second one: the first would be forgotten without a word."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: Any, values: Any, option: str | None = None) -> None:
        if getattr(namespace, self.dest, None) is not None:
            parser.error(f"argument {option}: given twice; one file at a time")
        setattr(namespace, self.dest, values)


class _Parser(argparse.ArgumentParser):
    """A parser that names the closest word, and says its errors as the rest of civility does."""

    def error(self, message: str) -> NoReturn:
        sys.stderr.write(f"error: {message}\n       see '{self.prog} --help'\n")
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
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="civility VERB …",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"civility {version}")
    verbs = parser.add_subparsers(dest="verb", metavar="verb", prog="civility", required=True, help=argparse.SUPPRESS)
    _add_train(verbs)
    _add_evaluate(verbs)
    _add_thresholds(verbs)
    _add_compare(verbs)
    _add_predict(verbs)
    _add_audit(verbs)
    _add_recipes(verbs)
    return parser


def _add_verb(verbs: Any, name: str, description: str, epilog: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(
        name,
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    return parser


def _add_train(verbs: Any) -> None:
    parser = _add_verb(
        verbs,
        "train",
        "Fine-tune a transformer on labelled comments, and leave a run directory: the best epoch's classifier, "
        "its report,\nthe recipe, the log and the checkpoints.",
        """\
data:
  CSV, TSV, JSONL or Parquet, plain or .gz, .zst, .zip; several files or a glob. The columns of the Jigsaw
  challenges (2018, 2019, 2020) are recognised; name any others in the recipe (data.text_column, data.labels, …).

a run that was interrupted (killed, Ctrl-C, a full disk, a time limit):
  civility train --resume --out runs/baseline              by the recipe of that run
  civility train baseline --data train.csv --out runs/baseline --resume auto     in a job that is started again

several devices:
  accelerate launch -m civility train baseline --data train.csv
  torchrun --nproc-per-node 2 -m civility train baseline --data train.csv

examples:
  civility train starter
  civility train baseline --data train.csv --check
  civility train baseline --data train.csv --fit
  civility train baseline --data train.csv --set training.epochs=3 --set training.precision=bf16
  civility train baseline --data train.csv --validation 0.05 --model ./mdeberta-v3-base --out runs/first
  civility train baseline --data mine.jsonl --set 'data.labels=["rude", "spam"]' --set data.text_column=body
""",
    )
    parser.add_argument(
        "recipe",
        nargs="?",
        metavar="RECIPE",
        help="a shipped recipe (baseline, starter) or a TOML file; default: baseline",
    )
    parser.add_argument("--data", nargs="+", action="extend", metavar="FILE", help="labelled comments to train on")
    parser.add_argument(
        "--validation",
        nargs="+",
        action="extend",
        metavar="FILE|FRACTION",
        help="share of the comments to hold out, or the file(s) to validate on",
    )
    parser.add_argument("--model", metavar="NAME|FOLDER", help="encoder to fine-tune, in place of the recipe's")
    parser.add_argument("--out", metavar="DIR", help="the run directory; default: runs/RECIPE, numbered if taken")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SECTION.KEY=VALUE",
        help="change a setting of the recipe",
    )
    parser.add_argument(
        "--fit",
        action="store_true",
        help="choose micro-batch and gradient accumulation by the memory there is; a step takes as many comments as "
        "before",
    )
    parser.add_argument("--check", action="store_true", help="stop after the checks, and write nothing")
    parser.add_argument(
        "--resume",
        nargs="?",
        const="yes",
        default="no",
        choices=("yes", "auto"),
        metavar="auto",
        help="go on with the run in --out from its last checkpoint, as if it had never stopped; without RECIPE: by the "
        "recipe of that run. 'auto': start it if there is none",
    )
    parser.add_argument(
        "--restart", action="store_true", help="begin again in --out; what is there is renamed, not deleted"
    )
    parser.add_argument(
        "--tracker", default="", metavar="NAME", help="also log to tensorboard, wandb, mlflow or trackio"
    )


def _add_evaluate(verbs: Any) -> None:
    parser = _add_verb(
        verbs,
        "evaluate",
        "Score labelled comments with a classifier and report what its scores and decisions are worth: how good each "
        "label is\nat its threshold and how sure that is, calibration, bias, behaviour, robustness, slices and the "
        "worst errors, as a\npage, JSON, Markdown and a table. Without --data: the comments that the run held out.",
        """\
requirements are paths into the report's JSON; .low and .high are the ends of a number's 95 % interval:
  civility evaluate runs/baseline --data test.csv --require 'macro.roc_auc >= 0.98' \\
      --require 'labels.threat.recall >= 0.5' --require 'labels.toxic.precision.low >= 0.8'
a line for each that fails, and exit code 3.

examples:
  civility evaluate runs/baseline --data test.csv test_labels.csv
  civility evaluate runs/baseline --robustness --suite civility:suite hatecheck.csv
  civility evaluate runs/baseline --data civil.csv --groups male female black white --slice lang
  civility evaluate ./classifier --data other.parquet --templates madlibs.csv --name other --out reports
""",
    )
    parser.add_argument("target", metavar="TARGET", help=_TARGET)
    _add_labelled_data(parser)
    parser.add_argument("--name", default="", metavar="NAME", help="of the report; default: the first file's")
    parser.add_argument("--out", metavar="DIR", help="folder of the report; default: the run's reports, or ./reports")
    _add_many(parser, "--require", "REQUIREMENT", "what the report must show, as 'macro.roc_auc >= 0.98'", nargs=1)
    _add_many(parser, "--groups", "COLUMN", "columns of the groups that comments mention, for bias; default: the run's")
    _add_many(parser, "--templates", "FILE", "identity templates, for bias: docs/suites.md tells their columns")
    parser.add_argument(
        "--bias-label", default="", metavar="LABEL", help="whose bias is measured; default: toxic, or the first label"
    )
    _add_many(parser, "--suite", "FILE", "behaviour suites: civility:suite, HateCheck's files, or your own")
    parser.add_argument(
        "--suite-label", default="", metavar="LABEL", help="that cases without one are judged by; default: any label"
    )
    parser.add_argument("--robustness", action="store_true", help="perturb a sample of the comments and score it again")
    parser.add_argument(
        "--sample",
        type=_at_least_one,
        default=1_000,
        metavar="NUMBER",
        help="comments that are perturbed; default: %(default)s",
    )
    _add_many(parser, "--slice", "COLUMN", "columns of the file to slice by, beside length, script, capitals and links")
    parser.add_argument(
        "--resamples",
        type=_at_least_100,
        default=2_000,
        metavar="NUMBER",
        help="of the bootstrap; default: %(default)s",
    )
    parser.add_argument("--seed", type=_from_zero, default=0, metavar="NUMBER", help="of the bootstrap and the sample")
    parser.add_argument("--no-texts", action="store_true", help="show the worst errors by their ids alone")
    _add_columns(parser)


def _add_thresholds(verbs: Any) -> None:
    parser = _add_verb(
        verbs,
        "thresholds",
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
    _add_labelled_data(parser)
    parser.add_argument(
        "--policy",
        default="default: f1",
        metavar="TEXT",
        help="what the thresholds are to reach; default: '%(default)s'",
    )
    parser.add_argument(
        "--calibrate", action="store_true", help="first calibrate the scores on these comments, in place of before"
    )
    parser.add_argument("--check", action="store_true", help="print the thresholds, and write nothing")
    _add_columns(parser)


def _add_compare(verbs: Any) -> None:
    parser = _add_verb(
        verbs,
        "compare",
        "Hold reports on the same comments against the first of them: differences with intervals by a paired "
        "bootstrap, and\nwhether they are better, worse, or show no difference.",
        """\
A run directory stands for the report that the run wrote of itself.

examples:
  civility compare runs/baseline runs/other
  civility compare runs/baseline/reports/test.json runs/other/reports/test.json --out difference.json
""",
    )
    parser.add_argument("reports", nargs="+", metavar="REPORT", help="JSON files of reports, or run directories")
    parser.add_argument("--out", metavar="FILE", help="JSON file for the numbers")
    parser.add_argument("--seed", type=_from_zero, default=0, metavar="NUMBER", help="of the bootstrap")


def _add_labelled_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        nargs="+",
        action="extend",
        metavar="FILE",
        help="labelled comments; default: the comments that the run held out for validation",
    )


def _add_many(parser: argparse.ArgumentParser, option: str, metavar: str, help: str, nargs: str | int = "+") -> None:
    parser.add_argument(option, nargs=nargs, action="extend", default=[], metavar=metavar, help=help)


def _at_least_one(text: str) -> int:
    return _whole_number(text, 1)


def _at_least_100(text: str) -> int:
    return _whole_number(text, 100)


def _from_zero(text: str) -> int:
    return _whole_number(text, 0)


def _whole_number(text: str, least: int) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if number < least:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number from {least} up")
    return number


def _add_predict(verbs: Any) -> None:
    parser = _add_verb(
        verbs,
        "predict",
        "Score comments: a row for each, in the order of the input, with its id and a score from 0 to 1 for every "
        "label.\nStreams: memory does not grow with the file.",
        """\
standard input is one comment a line, unless it is JSONL or has a CSV header with the column comment_text.

examples:
  echo "have a nice day" | civility predict runs/starter --data -
  civility predict runs/baseline --data test.csv --out submission.csv
  civility predict runs/baseline --data comments.parquet --out scores.parquet
  civility predict runs/baseline --data comments.csv --decisions --out decided.csv
""",
    )
    parser.add_argument("target", metavar="TARGET", help=_TARGET)
    parser.add_argument("--data", action=_Once, required=True, metavar="FILE|-", help="comments; - for standard input")
    parser.add_argument("--out", default="-", metavar="FILE|-", help="scores; default: standard output")
    parser.add_argument(
        "--format",
        default="",
        choices=("csv", "jsonl", "parquet"),
        metavar="FORMAT",
        help="csv, jsonl or parquet; default: by the suffix, csv on standard output",
    )
    parser.add_argument(
        "--decisions",
        action="store_true",
        help="after the scores, a column LABEL:decision a label: allow or flag, by the classifier's thresholds; allow, "
        "review or remove, where a label has a band for review",
    )
    _add_columns(parser)


def _add_audit(verbs: Any) -> None:
    parser = _add_verb(
        verbs,
        "audit",
        "Look at files of comments, labelled or not, without training: label counts, lengths and what is cut, equal "
        "and nearly\nequal comments, contradicting labels, leaks between the files, scripts, damaged and odd comments, "
        "and, with a\nclassifier, likely label errors. Prints tables, and writes audit.json and rows.csv, which lists "
        "the comments found.",
        """\
likely label errors need scores of comments that the classifier was not trained on. Of a run directory, the comments
that it was trained on are left out; of any other classifier that cannot be told, and the output says so.

examples:
  civility audit train.csv
  civility audit train.csv validation.csv test.csv --out audits/first
  civility audit train.csv --with runs/baseline
  civility audit mine.jsonl --text-column body --labels rude spam --model ./mdeberta-v3-base --max-length 128
""",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="comments; several files are held against each other")
    parser.add_argument(
        "--with", dest="target", default="", metavar="TARGET", help=f"to find label errors with: {_TARGET}"
    )
    parser.add_argument(
        "--model",
        default="",
        metavar="NAME|FOLDER",
        help="whose tokenizer measures lengths; default: the classifier's, or the starter model's",
    )
    parser.add_argument(
        "--max-length", type=int, metavar="TOKENS", help="where comments are cut; default: the classifier's, or 256"
    )
    parser.add_argument(
        "--labels", nargs="+", action="extend", metavar="NAME", help="label columns; default: recognised"
    )
    parser.add_argument(
        "--label-list-column", default="", metavar="NAME", help="a column that holds lists of the labels named"
    )
    parser.add_argument("--out", metavar="DIR", help="folder to write; default: audit-FILE, numbered if taken")
    parser.add_argument("--seed", type=int, default=0, metavar="NUMBER", help="of the random samples; default: 0")
    _add_columns(parser)


def _add_columns(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--text-column", default="", metavar="NAME", help="column of the comments; default: the run's, or recognised"
    )
    parser.add_argument(
        "--id-column", default="", metavar="NAME", help="column of the ids; default: the run's, or recognised"
    )


def _add_recipes(verbs: Any) -> None:
    parser = _add_verb(
        verbs,
        "recipes",
        "List the shipped recipes, or print one: every setting with its unit.",
        "examples:\n  civility recipes\n  civility recipes baseline > mine.toml\n",
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="the recipe to print")
