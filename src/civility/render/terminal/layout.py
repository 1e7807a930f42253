"""Layout in a terminal: widths, paragraphs, and the richest of several tables that fits."""

import textwrap
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from civility.plain_text import one_line

_WIDEST = 100
"""Columns; longer lines are hard to read."""


def width_of(console: Console) -> int:
    """Return how many columns to use."""
    return min(console.width, _WIDEST)


def wrapped(text: str, width: int) -> list[str]:
    """Return the text as lines of at most ``width`` columns; a longer word, such as a path, is not broken."""
    return textwrap.wrap(text, max(width, 16), break_long_words=False, break_on_hyphens=False) or [""]


def paragraph(console: Console, text: str, head: str = "", style: str = "", indent: int = 2) -> None:
    """Print wrapped text without control characters.

    Parameters
    ----------
    console : where to print
    text : may hold names of the user
    head : before the first line; the other lines are indented to match
    style : of rich
    indent : spaces before every line
    """
    lines = wrapped(one_line(text), width_of(console) - indent - len(head))
    space = " " * indent
    written = "\n".join(f"{space}{head if not place else ' ' * len(head)}{line}" for place, line in enumerate(lines))
    console.print(written, style=style)


def fitting(parts: Sequence[str], room: int, between: str = "   ") -> str:
    """Return as many of the first parts as fit into ``room`` columns."""
    num = len(parts)
    while num and len(between.join(parts[:num])) > room:
        num -= 1
    return between.join(parts[:num])


def first_that_fits(console: Console, tables: Iterable[Table]) -> Table:
    """Return the first table that fits the console, or the last one."""
    options = console.options.update(max_width=10_000)
    for table in tables:
        if Measurement.get(console, options, table).maximum <= width_of(console):
            break
    return table


def has_intervals(table: Table) -> bool:
    """Whether a cell has an interval in brackets."""
    return any("[" in str(cell) for column in table.columns[1:] for cell in column.cells)
