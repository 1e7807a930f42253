"""``civility evaluate``: a classifier and labelled comments become a report."""

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from civility.cli.arguments import SEED, TARGET, WholeNumber, add_columns, add_held_out_data, add_many, columns_of
from civility.cli.console import make_console, print_notes, scoring_bar
from civility.cli.messages import print_message
from civility.cli.parser import add_command
from civility.plain_text import count, listed
from civility.render.terminal.layout import paragraph

if TYPE_CHECKING:
    from civility.evaluation.evaluate_classifier import EvaluationRequest


def add(commands: Any) -> None:
    """Add the command's options and help."""
    parser = add_command(
        commands,
        run,
        "Score labelled comments with a classifier, and report how good its scores and decisions are: quality per "
        "label with 95 % intervals, calibration, bias, behaviour, robustness, slices and the worst errors. Writes an "
        "HTML page, JSON and Markdown, and prints a table.",
        """\
a requirement names a number of the report's JSON and what it must be; .low and .high are the ends of its interval. If
one fails, the exit code is 3:
  civility evaluate runs/baseline --require 'macro.roc_auc >= 0.98' --require 'labels.threat.recall >= 0.5'
  civility evaluate runs/baseline --require 'labels.toxic.precision.low >= 0.8'

examples:
  civility evaluate runs/baseline                          on the comments that the run held out
  civility evaluate runs/baseline --data test.csv test_labels.csv
  civility evaluate runs/baseline --robustness --suite civility:suite hatecheck.csv
  civility evaluate runs/baseline --data civil.csv --groups male female black white --slice lang
  civility evaluate ./classifier --data other.parquet --templates madlibs.csv --name other --out reports
""",
    )
    parser.add_argument("target", metavar="TARGET", help=TARGET)
    add_held_out_data(parser)
    parser.add_argument("--name", default="", metavar="NAME", help="name of the report; default: the first file's")
    parser.add_argument(
        "--out", metavar="DIR", help="folder of the report; default: reports in the run directory, or ./reports"
    )
    add_many(parser, "--require", "REQUIREMENT", "exit with 3 unless it holds: 'macro.roc_auc >= 0.98'", nargs=1)
    add_many(parser, "--slice", "COLUMN", "also report by the values of these columns; always: by length and script")
    bias = parser.add_argument_group("bias")
    add_many(bias, "--groups", "COLUMN", "columns of the groups that comments mention; default: the run's")
    add_many(bias, "--templates", "FILE", "identity templates; docs/reference/probes.md describes their columns")
    bias.add_argument(
        "--bias-label", default="", metavar="LABEL", help="label to measure; default: toxic, or the first label"
    )
    behaviour = parser.add_argument_group("behaviour and robustness")
    add_many(behaviour, "--suite", "FILE", "suites of test cases: civility:suite, HateCheck's files, or your own")
    behaviour.add_argument(
        "--suite-label", default="", metavar="LABEL", help="label of cases that name none; default: any label"
    )
    behaviour.add_argument("--robustness", action="store_true", help="perturb a sample of the comments and rescore it")
    behaviour.add_argument(
        "--sample",
        type=WholeNumber(1, 1_000_000),
        default=1_000,
        metavar="NUMBER",
        help="comments to perturb; default: %(default)s",
    )
    parser.add_argument(
        "--resamples",
        type=WholeNumber(100, 100_000),
        default=2_000,
        metavar="NUMBER",
        help="bootstrap resamples for the intervals; default: %(default)s",
    )
    parser.add_argument(
        "--seed", type=SEED, default=0, metavar="NUMBER", help="of the bootstrap and the sample; default: 0"
    )
    parser.add_argument("--no-texts", action="store_true", help="list the worst errors by id, without their texts")
    add_columns(parser)


def run(options: Namespace, command: list[str]) -> int:
    """Run the command; return 3 if a requirement failed."""
    from civility.evaluation.evaluate_classifier import evaluate
    from civility.render.terminal.report_tables import print_report

    request = _request(options)  # checks the requirements before anything is scored
    console = make_console()
    with scoring_bar(make_console(stderr=True)) as bar:
        done = evaluate(
            options.target,
            options.data or (),
            request,
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
        print_message(f"failed: {failure}")
    return 3 if done.failures else 0


def _request(options: Namespace) -> "EvaluationRequest":
    """Return what the options ask for."""
    from civility.evaluation.build_report import Aspects
    from civility.evaluation.evaluate_classifier import EvaluationRequest, Probes
    from civility.evaluation.requirements import parse_requirement

    return EvaluationRequest(
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
