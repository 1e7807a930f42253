"""``civility evaluate``: a classifier and labelled comments become a report."""

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from civility.cli.arguments import (
    SEED,
    TARGET,
    WholeNumber,
    add_columns,
    add_labelled_data,
    add_many,
    add_verb,
    columns_of,
)
from civility.cli.messages import say

if TYPE_CHECKING:
    from civility.evaluation.evaluate_classifier import Question

_FAILED_REQUIREMENT = 3


def add(verbs: Any) -> None:
    """Add the verb's options and help."""
    parser = add_verb(
        verbs,
        "evaluate",
        run,
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
    parser.add_argument("target", metavar="TARGET", help=TARGET)
    add_labelled_data(parser)
    parser.add_argument("--name", default="", metavar="NAME", help="of the report; default: the first file's")
    parser.add_argument("--out", metavar="DIR", help="folder of the report; default: the run's reports, or ./reports")
    add_many(parser, "--require", "REQUIREMENT", "what the report must show, as 'macro.roc_auc >= 0.98'", nargs=1)
    add_many(parser, "--groups", "COLUMN", "columns of the groups that comments mention, for bias; default: the run's")
    add_many(parser, "--templates", "FILE", "identity templates, for bias: docs/suites.md tells their columns")
    parser.add_argument(
        "--bias-label", default="", metavar="LABEL", help="whose bias is measured; default: toxic, or the first label"
    )
    add_many(parser, "--suite", "FILE", "behaviour suites: civility:suite, HateCheck's files, or your own")
    parser.add_argument(
        "--suite-label", default="", metavar="LABEL", help="that cases without one are judged by; default: any label"
    )
    parser.add_argument("--robustness", action="store_true", help="perturb a sample of the comments and score it again")
    parser.add_argument(
        "--sample",
        type=WholeNumber(1, 1_000_000),
        default=1_000,
        metavar="NUMBER",
        help="comments that are perturbed; default: %(default)s",
    )
    add_many(parser, "--slice", "COLUMN", "columns of the file to slice by, beside length, script, capitals and links")
    parser.add_argument(
        "--resamples",
        type=WholeNumber(100, 100_000),
        default=2_000,
        metavar="NUMBER",
        help="of the bootstrap; default: %(default)s",
    )
    parser.add_argument("--seed", type=SEED, default=0, metavar="NUMBER", help="of the bootstrap and the sample")
    parser.add_argument("--no-texts", action="store_true", help="show the worst errors by their ids alone")
    add_columns(parser)


def run(options: Namespace, command: list[str]) -> int:
    """Run the verb."""
    from civility.cli.console import make_console, print_notes, scoring_bar
    from civility.evaluation.evaluate_classifier import evaluate
    from civility.plain_text import count, listed
    from civility.render.terminal.layout import paragraph
    from civility.render.terminal.report_tables import print_report

    question = _question(options)  # a mistake in a requirement is told before anything is scored
    console = make_console()
    with scoring_bar(make_console(stderr=True)) as bar:
        done = evaluate(
            options.target,
            options.data or (),
            question,
            name=options.name,
            out=Path(options.out) if options.out else None,
            on_scored=bar.advance_in,
        )
    print_notes(make_console(stderr=True), done.notes)
    num = count(done.report.data.num_comments, "comment")
    paragraph(console, f"{num} from {listed(done.report.data.files)}", indent=0)
    console.print()
    print_report(console, done.report)
    console.print(f"\n  report   {done.files.html}\n           {done.files.markdown}\n           {done.files.json}")
    for failure in done.failures:
        say(f"failed: {failure}")
    return _FAILED_REQUIREMENT if done.failures else 0


def _question(options: Namespace) -> "Question":
    """Return what an `evaluate` command asks for."""
    from civility.evaluation.build_report import Aspects
    from civility.evaluation.evaluate_classifier import Question
    from civility.evaluation.probing import Probes
    from civility.evaluation.requirements import parse_requirement

    return Question(
        columns=columns_of(options, groups=tuple(options.groups)),
        slices=tuple(options.slice),
        aspects=Aspects(
            label=options.bias_label,
            num_resamples=options.resamples,
            seed=options.seed,
            with_texts=not options.no_texts,
        ),
        probes=Probes(
            templates=tuple(options.templates),
            suites=tuple(options.suite),
            suite_label=options.suite_label,
            robustness=options.robustness,
            sample=options.sample,
            seed=options.seed,
        ),
        requirements=tuple(parse_requirement(text) for text in options.require),
    )
