"""A sweep in the terminal: a live table, or in a log one line per change."""

import time
from collections.abc import Iterator

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from civility.documents.sweep_result import SweepResult, TrialLine
from civility.plain_text import clock, count, one_line
from civility.render.sentences.report_sentences import METRIC_WORDS
from civility.render.sentences.sweep_sentences import (
    counts,
    next_steps,
    score_words,
    settings_words,
    short_names,
    value_words,
    verdict,
    why_words,
)
from civility.render.terminal.layout import paragraph

_MOST_ROWS = 14
_SECONDS_BETWEEN_LINES = 30.0
_STYLES = {"finished": "green", "pruned": "dim", "failed": "red", "unfinished": ""}


class SweepDisplay:
    """Draws a sweep as it stands, again and again.

    Parameters
    ----------
    console : where to draw
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._before: dict[int, TrialLine] = {}
        self._began = False
        self._printed = time.monotonic()

    def show(self, result: SweepResult) -> None:
        """Draw how the sweep stands now."""
        if self._console.is_terminal:
            if self._live is None:
                self._live = Live(console=self._console, auto_refresh=False)
                self._live.start()
            self._live.update(table(result), refresh=True)
            return
        for line in self._changes(result):
            self._console.print(line)

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _changes(self, result: SweepResult) -> Iterator[str]:
        """Yield a line for each thing that is new since the last time."""
        names = short_names(result.space)
        if not self._began:
            self._began = True
            yield f"  {counts(result, is_live=True)}"
            # Trials from before this command are counted, but not printed again.
            self._before = {one.number: one for one in result.trials if one.state != "unfinished"}
        ticks = time.monotonic() - self._printed >= _SECONDS_BETWEEN_LINES
        for trial in result.trials:
            before = self._before.get(trial.number)
            head = f"  trial {trial.number:04d}"
            if before is None and trial.settings:
                yield f"{head}   {one_line(settings_words(trial.settings, names))}"
            for epoch in sorted(set(trial.scores) - set(before.scores if before else ())):
                left = f"   {clock(trial.seconds_left)} left" if trial.seconds_left is not None else ""
                best = f"   best {trial.best:.4f}" if trial.best is not None else ""
                rest = left if trial.state == "unfinished" else ""
                yield f"{head}   epoch {epoch}/{trial.epochs}   {trial.scores[epoch]:.4f}{best}{rest}"
            if trial.state != "unfinished" and (before is None or before.state != trial.state):
                score = f"   {score_words(trial)}" if trial.state == "finished" else ""
                yield f"{head}   {trial.state}{score}{_why(trial)}"
            elif ticks and trial.state == "unfinished" and before is not None and trial.step > before.step:
                yield f"{head}   step {trial.step:,}/{trial.steps:,}   {clock(trial.seconds_left)} left"
            else:
                continue
            self._printed = time.monotonic()
        self._before = {one.number: one for one in result.trials if one.settings}


def table(result: SweepResult) -> Table:
    """Return the trials as a table that fits a terminal: those under way, then the best, then the newest others."""
    names = short_names(result.space)
    found = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", title=_title(result), title_justify="left")
    found.add_column("  trial", no_wrap=True)
    found.add_column(" · ".join(names.values()), overflow="fold", ratio=1)
    for name in ("epoch", "best", "left", "state"):
        found.add_column(name, justify="right", no_wrap=True)
    best = result.ranked[0].number if result.ranked else -1
    for trial in _shown(result):
        values = "  ".join(value_words(trial.settings[key]) for key in names if key in trial.settings)
        score = "" if trial.best is None else f"{trial.best:.4f}{' *' if trial.number == best else '  '}"
        left = clock(trial.seconds_left) if trial.state == "unfinished" else ""
        found.add_row(
            *(f"  {trial.number:04d}", one_line(values), _epochs(trial), score, left),
            Text("running" if trial.state == "unfinished" else trial.state, style=_STYLES[trial.state]),
        )
    rest = len(result.trials) - len(_shown(result))
    if rest > 0:
        found.add_row("", f"and {rest} more", style="dim")
    return found


def _title(result: SweepResult) -> str:
    left = result.seconds_left
    return f"  {counts(result, is_live=True)}" + (f" · about {clock(left)} left" if left else "")


def _epochs(trial: TrialLine) -> str:
    """Return how far a trial is: whole epochs, and the part of the one under way."""
    if not trial.epochs:
        return ""
    done = max(trial.scores, default=0)
    if trial.state == "unfinished" and trial.steps:
        return f"{trial.epochs * trial.step / trial.steps:.1f}/{trial.epochs}"
    return f"{done}/{trial.epochs}"


def _shown(result: SweepResult) -> list[TrialLine]:
    running = [one for one in result.trials if one.state == "unfinished"]
    others = sorted((one for one in result.trials if one.state in ("pruned", "failed")), key=lambda one: -one.number)
    return [*running, *result.ranked, *others][:_MOST_ROWS]


def _why(trial: TrialLine) -> str:
    return f": {one_line(why_words(trial))}" if trial.why else ""


def print_result(console: Console, result: SweepResult, folder: str, *, recipe: str, page: str) -> None:
    """Print the verdict of a sweep, the best trial, where the files are, and the next commands.

    Parameters
    ----------
    folder : the sweep's folder, for the next commands
    recipe : path of the best trial's recipe
    page : path of the sweep's HTML page
    """
    console.print()
    for sentence in verdict(result):
        paragraph(console, sentence)
    if result.importance:
        shares = " · ".join(f"{key} {share:.0%}" for key, share in result.importance.items())
        console.print()
        paragraph(console, shares, f"{'importance':<13}")
    if result.num("unfinished"):
        trials = count(result.num("unfinished"), "trial")
        console.print()
        paragraph(
            console, f"unfinished: {trials}, under way in other workers or interrupted; the same command resumes them"
        )
    if result.ranked:
        best = result.ranked[0]
        settings = settings_words(best.settings, short_names(result.space))
        console.print()
        score = f"trial {best.number:04d}: {METRIC_WORDS[result.metric]} {score_words(best)}"
        paragraph(console, score, f"{'best':<13}")
        paragraph(console, settings, " " * 13)
        console.print(f"  recipe       {recipe}")
    console.print(f"  page         {page}")
    for place, command in enumerate(next_steps(result, folder)):
        console.print(f"\n  next:  {command}" if not place else f"         {command}")
