"""What a person sees of a comparison: a line for each setting, and one for each label, in 100 columns."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from civility.compare import words
from civility.compare.document import Comparison, Numbers
from civility.plain_text import one_line
from civility.report.words import METRIC_NAMES

_STYLES = {"better": "green", "worse": "red"}
_NAME = 30


def print_comparison(console: Console, comparison: Comparison) -> None:
    """Print the rows, what differs, and the verdicts."""
    console.print(one_line(words.where(comparison)) + "\n")
    _print_rows(console, comparison)
    for metric in comparison.metrics:
        _print_metric(console, comparison, metric)
    for note in comparison.notes:
        console.print(f"  {one_line(note)}", style="yellow", soft_wrap=False)
    console.print(f"  {one_line(words.method(comparison))}", style="dim", soft_wrap=False)


def _print_rows(console: Console, comparison: Comparison) -> None:
    table = _table("")
    for name in ("seeds", "time", "peak memory"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("settings that differ", overflow="fold")
    for row in comparison.rows:
        settings = one_line(words.settings_of(row, comparison.rows[0]))
        cells = [words.seeds_of(row), words.time_of(row), words.memory_of(row), settings]
        table.add_row(Text(f"  {one_line(row.name)}"), *map(Text, cells))
    console.print(table)
    console.print()


def _print_metric(console: Console, comparison: Comparison, metric: str) -> None:
    for label in ("", *comparison.num_positive):
        table = _table(f"{one_line(label) or 'macro'} {METRIC_NAMES[metric]}")
        table.add_column("value", justify="right", no_wrap=True, min_width=15)
        table.add_column("difference", justify="right", no_wrap=True, min_width=26)
        table.add_column("", no_wrap=True, min_width=20)
        for row in comparison.rows:
            numbers = row.metrics[metric].labels[label] if label else row.metrics[metric].macro
            table.add_row(Text(f"  {one_line(row.name)}"), *_cells(numbers), style="" if label else "bold")
        console.print(table)
        console.print()


def _table(first: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column(Text(f"  {first}"), min_width=_NAME, max_width=_NAME, no_wrap=True, overflow="ellipsis")
    return table


def _cells(numbers: Numbers) -> tuple[Text, Text, Text]:
    verdict = numbers.difference.verdict if numbers.difference else ""
    style = _STYLES.get(verdict, "dim")
    return (
        Text(words.value_of(numbers)),
        Text(words.difference_of(numbers)),
        Text(words.verdict_of(numbers), style=style),
    )
