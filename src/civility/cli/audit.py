"""``civility audit``: what is wrong with files of comments. Prints no comment's text."""

from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from civility.cli.arguments import SEED, TARGET, WholeNumber, add_columns, columns_of
from civility.cli.console import make_console, print_notes, scoring_bar
from civility.cli.parser import add_command


def add(commands: Any) -> None:
    """Add the command's options and help."""
    parser = add_command(
        commands,
        run,
        "Check files of comments, labelled or not, without training: label counts, lengths and truncation, duplicates "
        "and near duplicates, contradicting labels, comments in more than one file, scripts, damaged and odd comments "
        "and, with a classifier, likely label errors. Prints tables, and writes audit.json and rows.csv, the list of "
        "comments found.",
        """\
To find label errors, use a classifier that was not trained on these comments (--with). Of a run directory, the
comments that it was trained on are left out. For any other classifier this is unknown, and the output says so.

examples:
  civility audit train.csv
  civility audit train.csv validation.csv test.csv --out audits/first
  civility audit train.csv --with runs/baseline
  civility audit mine.jsonl --text-column body --labels rude spam --model ./mdeberta-v3-base --max-length 128
""",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="comments; several files are compared with each other")
    parser.add_argument(
        "--with", dest="target", default="", metavar="TARGET", help=f"classifier to find label errors with: {TARGET}"
    )
    parser.add_argument(
        "--model",
        default="",
        metavar="NAME|FOLDER",
        help="model whose tokenizer measures lengths; default: the classifier, or the starter model",
    )
    parser.add_argument(
        "--max-length",
        type=WholeNumber(1, 1_000_000),
        metavar="TOKENS",
        help="where comments are truncated, in tokens; default: the classifier's, or 256",
    )
    parser.add_argument("--labels", nargs="+", action="extend", metavar="NAME", help="label columns; default: detected")
    parser.add_argument(
        "--label-list-column", default="", metavar="NAME", help="column with a list of the labels that apply"
    )
    parser.add_argument("--out", metavar="DIR", help="folder to write; default: audit-FILE, numbered if it exists")
    parser.add_argument("--seed", type=SEED, default=0, metavar="NUMBER", help="of the random samples; default: 0")
    add_columns(parser)


def run(options: Namespace, command: list[str]) -> None:
    """Run the command."""
    from civility.audit.audit_comments import AuditRequest, audit
    from civility.render.terminal.audit_tables import print_audit

    columns = columns_of(options, labels=tuple(options.labels or ()), label_list=options.label_list_column)
    console = make_console(stderr=True)
    with stages(console) as on_stage, scoring_bar(console) as bar:
        done = audit(
            options.files,
            AuditRequest(columns, options.target, options.model, options.max_length, options.seed),
            out=Path(options.out) if options.out else None,
            on_stage=on_stage,
            on_scored=bar.advance,
        )
    print_notes(console, done.audit.data.notes)
    print_audit(make_console(), done.audit, done.folder)


@contextmanager
def stages(console: Console) -> Iterator[Callable[[str], None]]:
    """Yield a function that shows the current stage on a terminal, and nothing in a log."""
    if not console.is_terminal:
        yield lambda stage: None
        return
    with console.status("starting") as status:

        def show(stage: str) -> None:
            if stage == "scoring":  # its bar takes the line over
                status.stop()
            else:
                status.update(Text(f"{stage} …"))

        yield show
