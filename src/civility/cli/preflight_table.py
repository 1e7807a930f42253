"""How the checks before a run are drawn: a line of counts, and each check that has something to say."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console

from civility.render.terminal.layout import width_of, wrapped

if TYPE_CHECKING:
    from civility.training.preflight.check import Check

_NARROW = 76
_STYLES = {"passed": "green", "warned": "yellow", "failed": "bold red"}
_NAME, _INDENT = 20, 4


def print_checks(console: Console, checks: "Sequence[Check]", *, in_full: bool) -> None:
    """Print how many checks passed, warned and failed, and those that did not pass, or all of them.

    Parameters
    ----------
    in_full : print the passed ones too
    """
    counts = {state: sum(check.state == state for check in checks) for state in _STYLES}
    told = " · ".join(f"{count} {state}" for state, count in counts.items() if count)
    console.print(f"  {'checks':<10} {told}")
    shown = [check for check in checks if in_full or check.state != "passed"]
    if shown:
        console.print()
    for check in shown:
        _print_check(console, check)
    console.print()


def _print_check(console: Console, check: "Check") -> None:
    """Print one check: its state and name, what was found, and below it what to do."""
    margin = _INDENT + 8 + _NAME + 2
    is_narrow = width_of(console) < _NARROW
    if is_narrow:  # what was found is below the name
        margin = _INDENT + 2
    width = width_of(console) - margin
    lines = wrapped(check.found, width)
    if check.remedy:
        lines += [f"→ {line}" if i == 0 else f"  {line}" for i, line in enumerate(wrapped(check.remedy, width - 2))]
    console.print(" " * _INDENT, end="")
    console.print(f"{check.state:<8}", style=_STYLES[check.state], end="")
    console.print(check.name if is_narrow else f"{check.name:<{_NAME}}  {lines.pop(0)}")
    for line in lines:
        console.print(" " * margin + line)
