"""``civility compare``: runs on the same comments are held against the first of them."""

from argparse import Namespace
from pathlib import Path
from typing import Any

from civility.cli.arguments import SEED, add_columns, add_many, add_verb, columns_of


def add(verbs: Any) -> None:
    """Add the verb's options and help."""
    parser = add_verb(
        verbs,
        "compare",
        run,
        "Hold runs, or reports on the same comments, against the first of them: the settings that differ, macro and "
        "per-label\nmetrics, differences with intervals by a paired bootstrap, and whether they are better, worse, or "
        "show no difference;\ntime and memory. Runs whose settings differ only in the seed are one row.",
        """\
A run directory stands for the report that the run wrote of itself, and a folder that holds runs named
seed-42, seed-43, … stands for these. With a single run of either side a verdict holds for these very
classifiers; with several, for the settings.

examples:
  civility compare runs/baseline runs/other
  civility compare runs/baseline runs/focal runs/bce --out comparison
  civility compare runs/*/seed-* --baseline runs/baseline
  civility compare runs/old ./classifier --data test.csv
  civility compare runs/baseline/reports/test.json runs/other/reports/test.json --out difference.json
""",
    )
    parser.add_argument(
        "runs", nargs="+", metavar="RUN", help="run directories, folders of them, or JSON files of reports"
    )
    parser.add_argument(
        "--baseline", default="", metavar="RUN", help="what the others are compared with; default: the first"
    )
    add_many(parser, "--data", "FILE", "labelled comments to score all on; default: those of their reports")
    add_many(
        parser,
        "--metrics",
        "METRIC",
        "roc_auc (default), average_precision, f1, precision, recall; each more makes every verdict harder to reach",
    )
    parser.add_argument(
        "--out", metavar="DIR", help="folder for JSON, Markdown and picture, or a JSON file: the others go beside it"
    )
    parser.add_argument("--seed", type=SEED, default=0, metavar="NUMBER", help="of the bootstrap")
    add_columns(parser)


def run(options: Namespace, command: list[str]) -> None:
    """Run the verb."""
    from civility.cli.console import make_console, scoring_bar
    from civility.evaluation.comparison import METRICS, Question, compare
    from civility.evaluation.comparison.output_files import check_out
    from civility.render.terminal.comparison_tables import print_comparison

    out = Path(options.out) if options.out else None
    question = Question(
        data=tuple(options.data),
        columns=columns_of(options),
        baseline=options.baseline,
        metrics=tuple(dict.fromkeys(options.metrics)) or METRICS[:1],
        seed=options.seed,
    )
    with scoring_bar(make_console(stderr=True)) as bar:
        found = compare(options.runs, question, out=out, on_scored=bar.advance_in)
    console = make_console()
    print_comparison(console, found)
    if out is not None:
        files = check_out(out)
        console.print(f"\n  comparison   {files.json}\n               {files.markdown}\n               {files.svg}")
