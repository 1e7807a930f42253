"""``civility audit``: what is wrong with files of comments."""

from argparse import Namespace
from pathlib import Path
from typing import Any

from civility.cli.arguments import SEED, TARGET, WholeNumber, add_columns, add_verb, columns_of


def add(verbs: Any) -> None:
    """Add the verb's options and help."""
    parser = add_verb(
        verbs,
        "audit",
        run,
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
        "--with", dest="target", default="", metavar="TARGET", help=f"to find label errors with: {TARGET}"
    )
    parser.add_argument(
        "--model",
        default="",
        metavar="NAME|FOLDER",
        help="whose tokenizer measures lengths; default: the classifier's, or the starter model's",
    )
    parser.add_argument(
        "--max-length",
        type=WholeNumber(1, 1_000_000),
        metavar="TOKENS",
        help="where comments are cut; default: the classifier's, or 256",
    )
    parser.add_argument(
        "--labels", nargs="+", action="extend", metavar="NAME", help="label columns; default: recognised"
    )
    parser.add_argument(
        "--label-list-column", default="", metavar="NAME", help="a column that holds lists of the labels named"
    )
    parser.add_argument("--out", metavar="DIR", help="folder to write; default: audit-FILE, numbered if taken")
    parser.add_argument(
        "--seed",
        type=SEED,
        default=0,
        metavar="NUMBER",
        help="of the random samples; default: 0",
    )
    add_columns(parser)


def run(options: Namespace, command: list[str]) -> None:
    """Run the verb."""
    from civility.audit.audit_comments import Question, audit
    from civility.cli.console import make_console, print_notes, scoring_bar
    from civility.render.terminal.audit_tables import print_audit, stages

    columns = columns_of(options, labels=tuple(options.labels or ()), label_list=options.label_list_column)
    console = make_console(stderr=True)
    with stages(console) as on_stage, scoring_bar(console) as bar:
        done = audit(
            options.files,
            Question(columns, options.target, options.model, options.max_length, options.seed),
            out=Path(options.out) if options.out else None,
            on_stage=on_stage,
            on_scored=bar.advance,
        )
    print_notes(console, done.audit.notes)
    print_audit(make_console(), done.audit, done.folder)
