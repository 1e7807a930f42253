"""How an ensemble or a soup is drawn: its members and their numbers, its own, and its report."""

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from civility.plain_text import one_line
from civility.render.sentences.report_sentences import shown
from civility.render.terminal.report_tables import print_report

if TYPE_CHECKING:
    from civility.combine.build_ensemble import Combined


def print_combined(console: Console, done: "Combined") -> None:
    """Print what was made of what."""
    found = done.makeup
    table = Table(box=None, padding=(0, 0, 0, 2), header_style="bold")
    table.add_column("member", overflow="fold")
    for name in ("weight", "macro ROC AUC"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, weight, score in zip(found.members, found.weights, found.scores, strict=True):
        table.add_row(Text(one_line(name)), f"{weight:.3f}" if weight else "out", shown(score))
    table.add_row(Text(one_line(found.kind)), "", shown(found.score))
    console.print(table)
    console.print()
    print_report(console, done.report)
    console.print(f"\n  classifier   {done.run.classifier}")
    console.print(f"  report       {done.run.reports / f'{done.report.name}.html'}")
