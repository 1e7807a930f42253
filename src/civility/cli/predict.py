"""``civility predict``: a score for each comment and label."""

import sys
from argparse import Namespace
from typing import Any

from civility.cli.arguments import TARGET, Once, add_columns, columns_of
from civility.cli.console import make_console, print_notes, scoring_bar
from civility.cli.parser import add_command
from civility.plain_text import count
from civility.render.terminal.layout import paragraph


def add(commands: Any) -> None:
    """Add the command's options and help."""
    parser = add_command(
        commands,
        run,
        "Score comments: a row for each, in the order of the input, with its id and a score from 0 to 1 for every "
        "label. Memory does not grow with the size of the file.",
        """\
Reads CSV with any separator, TSV, JSON lines, a JSON array, Parquet, or one comment per line, also as .gz, .zst or
.zip, from a file or standard input. The format that was detected is printed on standard error; --input-format
overrides it.

examples:
  echo "have a nice day" | civility predict runs/starter --data -
  cat comments.txt | civility predict runs/starter --data - --input-format lines
  civility predict runs/baseline --data test.csv --out submission.csv
  civility predict runs/baseline --data comments.parquet --out scores.parquet
  civility predict runs/baseline --data comments.csv --decisions --out decided.csv
  civility predict runs/baseline --data unlabelled.csv --keep-text --out pseudo.csv
""",
    )
    parser.add_argument("target", metavar="TARGET", help=TARGET)
    parser.add_argument("--data", action=Once, required=True, metavar="FILE|-", help="comments; - for standard input")
    parser.add_argument("--out", default="-", metavar="FILE|-", help="where the scores go; default: standard output")
    parser.add_argument(
        "--format",
        default="",
        choices=("csv", "jsonl", "parquet"),
        metavar="FORMAT",
        help="of the scores: csv, jsonl or parquet; default: by the suffix, csv on standard output",
    )
    parser.add_argument(
        "--decisions",
        action="store_true",
        help="add a column LABEL:decision for each label, by the classifier's thresholds: allow or flag; or allow, "
        "review or remove, if the label has a review band",
    )
    parser.add_argument(
        "--keep-text",
        action="store_true",
        help="add the comments; such a file can serve as pseudo-labels (data.pseudo_labels of a recipe)",
    )
    parser.add_argument(
        "--spreadsheet-safe",
        action="store_true",
        help="write CSV for a spreadsheet: an apostrophe before ids and comments that it would run as formulas "
        "(= + - @)",
    )
    add_columns(parser)


def run(options: Namespace, command: list[str]) -> None:
    """Run the command."""
    from civility.bulk.score_file import ScoresFormat, predict

    console = make_console(stderr=True)
    with scoring_bar(console) as bar:
        done = predict(
            options.target,
            sys.stdin.buffer if options.data == "-" else options.data,
            sys.stdout.buffer if options.out == "-" else options.out,
            form=ScoresFormat(options.format, options.decisions, options.keep_text, options.spreadsheet_safe),
            columns=columns_of(options),
            on_opened=lambda line: paragraph(console, line, style="dim", indent=0),
            on_scored=bar.advance,
        )
    notes = list(done.notes)
    if done.num_blank:
        notes.append(f"{count(done.num_blank, 'blank comment')}, scored as an empty text")
    print_notes(console, notes)
    if options.out != "-":
        console.print(f"{count(done.num_comments, 'comment')} scored → {options.out}")
