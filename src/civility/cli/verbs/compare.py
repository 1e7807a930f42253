"""``civility compare``: reports on the same comments are held against each other."""

from argparse import Namespace
from pathlib import Path
from typing import Any

from civility.cli.arguments import add_verb, from_zero


def add(verbs: Any) -> None:
    """Add the verb's options and help."""
    parser = add_verb(
        verbs,
        "compare",
        run,
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
    parser.add_argument("--seed", type=from_zero, default=0, metavar="NUMBER", help="of the bootstrap")


def run(options: Namespace, command: list[str]) -> None:
    """Run the verb."""
    from civility.cli.compare_display import print_comparison
    from civility.cli.display import make_console
    from civility.compare import compare

    found = compare(options.reports, seed=options.seed, out=Path(options.out) if options.out else None)
    console = make_console()
    for place, one in enumerate(found):
        if place:
            console.print()
        print_comparison(console, one)
    if options.out:
        console.print(f"\n  numbers   {options.out}")
