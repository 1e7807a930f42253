"""What a person sees of a comparison: a line for each setting, and one for each label."""

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from civility.documents.comparison_result import Comparison, Numbers
from civility.plain_text import one_line
from civility.render.sentences import comparison_sentences as words
from civility.render.sentences.report_sentences import METRIC_NAMES, note_sentence
from civility.render.terminal.layout import paragraph, width_of

_STYLES = {"better": "green", "worse": "red"}
_WIDE, _NARROW = 99, 70
"""Columns from which on all is shown; below the second one differences are without their intervals."""


def print_comparison(console: Console, comparison: Comparison) -> None:
    """Print the rows, what differs, and the verdicts."""
    paragraph(console, words.where(comparison), indent=0)
    console.print()
    _print_rows(console, comparison)
    for metric in comparison.metrics:
        _print_metric(console, comparison, metric)
    for note in comparison.notes:
        paragraph(console, note_sentence(note), style="yellow")
    paragraph(console, words.method(comparison), style="dim")


def _print_rows(console: Console, comparison: Comparison) -> None:
    is_narrow = width_of(console) < _NARROW
    table = _table(console, "")
    for name in ("seeds",) if is_narrow else ("seeds", "time", "peak memory"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("settings that differ", overflow="fold")
    for row in comparison.rows:
        settings = one_line(words.settings_of(row, comparison.rows[0]))
        cells = [words.seeds_of(row), words.time_of(row), words.memory_of(row), settings]
        table.add_row(Text(f"  {one_line(row.name)}"), *map(Text, cells[:1] + cells[3:] if is_narrow else cells))
    console.print(table)
    console.print()


def _print_metric(console: Console, comparison: Comparison, metric: str) -> None:
    least = (15, 26, 20) if width_of(console) >= _WIDE else (6, 7, 8)  # so that the tables of all labels align
    macros = list(words.macros_of(comparison, metric))
    of_labels = [
        (one_line(label), [row.metrics[metric].labels[label] for row in comparison.rows])
        for label in comparison.num_positive
    ]
    for place, (name, of_rows) in enumerate([*macros, *of_labels]):
        table = _table(console, f"{name} {METRIC_NAMES[metric]}", name)
        table.add_column("value", justify="right", no_wrap=True, min_width=least[0])
        table.add_column("difference", justify="right", no_wrap=True, min_width=least[1])
        table.add_column("", overflow="fold", min_width=least[2])
        for row, numbers in zip(comparison.rows, of_rows, strict=True):
            cells = _cells(numbers, with_intervals=width_of(console) >= _NARROW)
            style = "bold" if place < len(macros) else ""
            table.add_row(Text(f"  {one_line(row.name)}"), *cells, style=style)
        console.print(table)
        console.print()


def _table(console: Console, heading: str, short: str = "") -> Table:
    """Return a table under a heading, or under the short one if the other does not fit."""
    width = width_of(console)
    name = next(name for least, name in ((_WIDE, 30), (_NARROW, 18), (50, 14), (0, 10)) if width >= least)
    table = Table(box=None, padding=(0, 2 if width >= _WIDE else 1, 0, 0), header_style="bold")
    first = heading if len(heading) + 2 <= name else short
    table.add_column(Text(f"  {first}"), min_width=name, max_width=name, no_wrap=True, overflow="ellipsis")
    return table


def _cells(numbers: Numbers, *, with_intervals: bool) -> Iterator[Text]:
    verdict = numbers.difference.verdict if numbers.difference else ""
    for cell in (words.value_of(numbers), words.difference_of(numbers)):
        yield Text(cell if with_intervals else cell.partition(" ")[0])
    yield Text(words.verdict_of(numbers), style=_STYLES.get(verdict, "dim"))
