"""``civility predict``: a score for each comment and label."""

import sys
from argparse import Namespace
from typing import Any

from civility.cli.arguments import TARGET, Once, add_columns, add_verb, columns_of


def add(verbs: Any) -> None:
    """Add the verb's options and help."""
    parser = add_verb(
        verbs,
        "predict",
        run,
        "Score comments: a row for each, in the order of the input, with its id and a score from 0 to 1 for every "
        "label.\nStreams: memory does not grow with the file.",
        """\
files and standard input: CSV with any separator, TSV, JSON lines, a JSON array, Parquet, or one comment per line, also
as .gz, .zst or .zip. What the content was read as is printed on standard error; --input-format overrides it.

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
    parser.add_argument(
        "--out",
        default="-",
        metavar="FILE|-",
        help="scores; default: standard output; a pipe or device is written as scores come",
    )
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
    parser.add_argument(
        "--keep-text",
        action="store_true",
        help="write the comments, too: such a file can be pseudo-labels (data.pseudo_labels of a recipe)",
    )
    parser.add_argument(
        "--spreadsheet-safe",
        action="store_true",
        help="CSV to be opened in a spreadsheet: an apostrophe goes before ids and comments that it would take for "
        "formulas (= + - @)",
    )
    add_columns(parser)


def run(options: Namespace, command: list[str]) -> None:
    """Run the verb."""
    from civility.bulk.score_file import ScoresFormat, predict
    from civility.cli.console import make_console, print_notes, scoring_bar
    from civility.plain_text import count
    from civility.render.terminal.layout import paragraph

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
        blank = "comment is" if done.num_blank == 1 else "comments are"
        notes.append(f"{done.num_blank:,} {blank} blank: scored as an empty text")
    print_notes(console, notes)
    if options.out != "-":
        console.print(f"{count(done.num_comments, 'comment')} scored → {options.out}")
