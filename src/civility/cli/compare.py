"""``civility compare``: which of several runs is better on the same comments, and whether it is noise."""

from argparse import Namespace
from pathlib import Path
from typing import Any

from civility.cli.arguments import SEED, add_columns, add_many, columns_of
from civility.cli.console import make_console, scoring_bar
from civility.cli.parser import add_command


def add(commands: Any) -> None:
    """Add the command's options and help."""
    parser = add_command(
        commands,
        run,
        "Compare runs, or reports on the same comments, with the first of them. Prints the settings that differ, the "
        "metrics overall and per label, differences with 95 % intervals from a paired bootstrap, a verdict for each "
        "(better, worse, no difference shown), time and memory. Runs that differ only in their seed share a row.",
        """\
A run directory stands for the report that the run wrote of itself. A folder with runs named seed-42, seed-43, …
stands for these runs. With a single run on either side, a verdict holds for these two classifiers; with several on
both, it holds for the settings.

examples:
  civility compare runs/baseline runs/other
  civility compare runs/baseline runs/focal runs/bce --out comparison
  civility compare runs/*/seed-* --baseline runs/baseline
  civility compare runs/old ./classifier --data test.csv
  civility compare runs/baseline/reports/test.json runs/other/reports/test.json --out difference.json
""",
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run directories, folders of runs, or reports (.json)")
    parser.add_argument(
        "--baseline", default="", metavar="RUN", help="run to compare the others with; default: the first"
    )
    add_many(parser, "--data", "FILE", "labelled comments to score with each; default: those of their reports")
    add_many(
        parser,
        "--metrics",
        "METRIC",
        "roc_auc, average_precision, f1, precision, recall; default: roc_auc. The more metrics, the stronger the "
        "evidence that each verdict needs",
    )
    parser.add_argument(
        "--out", metavar="DIR", help="folder for JSON, Markdown and a picture; or a .json file, the others beside it"
    )
    parser.add_argument("--seed", type=SEED, default=0, metavar="NUMBER", help="of the bootstrap; default: 0")
    add_columns(parser)


def run(options: Namespace, command: list[str]) -> None:
    """Run the command."""
    from civility.evaluation.compare_runs import ComparisonRequest, check_out, compare
    from civility.evaluation.verdicts import METRICS
    from civility.render.terminal.comparison_tables import print_comparison

    out = Path(options.out) if options.out else None
    request = ComparisonRequest(
        data=tuple(options.data),
        columns=columns_of(options),
        baseline=options.baseline,
        metrics=tuple(dict.fromkeys(options.metrics)) or METRICS[:1],
        seed=options.seed,
    )
    with scoring_bar(make_console(stderr=True)) as bar:
        found = compare(options.runs, request, out=out, on_scored=bar.advance_in)
    console = make_console()
    print_comparison(console, found)
    if out is not None:
        files = check_out(out)
        console.print(f"\n  comparison   {files.json}\n               {files.markdown}\n               {files.svg}")
