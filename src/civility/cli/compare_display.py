"""What a person sees of a comparison: a table for each metric, in 100 columns."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from civility.compare import Comparison, Row
from civility.report.words import METRIC_NAMES, one_line, shown

_STYLES = {"better": "green", "worse": "red"}
_SHOWN = ("roc_auc", "average_precision", "f1")


def print_comparison(console: Console, comparison: Comparison) -> None:
    """Print how the other report differs from the first."""
    other, first = one_line(comparison.other), one_line(comparison.first)
    console.print(f"{other}  against  {first}   {comparison.num_comments:,} comments\n")
    for metric in _SHOWN:
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
        table.add_column(f"  {METRIC_NAMES[metric]}", max_width=26, no_wrap=True, overflow="ellipsis")
        for name in ("first", "other", "difference"):
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("the other is", no_wrap=True)
        for label, row in comparison.labels[metric].items():
            table.add_row(Text(f"  {one_line(label)}"), *_cells(row))
        table.add_row("  macro", *_cells(comparison.macro[metric]), style="bold")
        console.print(table)
        console.print()
    console.print(
        "  95 % intervals of a paired bootstrap; the verdicts on labels are corrected for their number",
        style="dim",
    )


def _cells(row: Row) -> tuple[str, str, str, Text]:
    each = row.difference
    found = "-" if each.value != each.value else f"{each.value:+.4f}"
    if each.low == each.low:
        found += f" [{each.low:+.4f}, {each.high:+.4f}]"
    verdict = str(each.verdict)
    return shown(row.first), shown(row.other), found, Text(verdict, style=_STYLES.get(verdict, "dim"))
