"""How an ensemble or a soup is drawn: its members and their numbers, its own, and its report."""

from typing import TYPE_CHECKING

from rich.console import Console

from civility.cli.report_display import print_report
from civility.plain_text import one_line
from civility.report.words import shown

if TYPE_CHECKING:
    from civility.combine.ensemble import Combined


def print_combined(console: Console, done: "Combined") -> None:
    """Print what was made of what."""
    found = done.makeup
    names = [one_line(name) for name in (*found.members, found.kind)]
    width = max(map(len, names))
    console.print(f"  {'member':<{width}}  {'weight':>6}  macro ROC AUC", style="bold")
    for name, weight, score in zip(names, found.weights, found.scores, strict=False):
        share = f"{weight:.3f}" if weight else "out"
        console.print(f"  {name:<{width}}  {share:>6}  {shown(score):>13}")
    console.print(f"  {names[-1]:<{width}}  {'':>6}  {shown(found.score):>13}\n")
    print_report(console, done.report)
    console.print(f"\n  classifier   {done.run.classifier}")
    console.print(f"  report       {done.run.reports / f'{done.report.name}.html'}")
