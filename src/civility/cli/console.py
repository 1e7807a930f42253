"""What every command prints with: a console, warnings, and the progress of scoring."""

import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.segment import Segment
from rich.text import Text

from civility.cli.messages import clear_starting, discard
from civility.documents.note import Note
from civility.plain_text import count, printable, shortened
from civility.render.sentences.report_sentences import note_sentence
from civility.render.terminal.layout import fitting, paragraph, width_of

_SECONDS_BETWEEN_LINES = 10.0
_WIDTH_OF_A_LOG = 100
_NARROW = 76
"""Columns below which names are shortened."""
_SPACES_AT_ENDS = re.compile(" +(?=\n)")


class _SafeConsole(Console):
    """A console that replaces control characters, removes spaces at the ends of lines, and outlives a closed pipe."""

    def on_broken_pipe(self) -> None:
        """Print nothing more: a run outlives its reader, and a command keeps its exit code. rich would exit with 1."""
        self.quiet = True
        discard(self.file)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """Yield the segments of a renderable; the control segments that rich itself makes are kept."""
        line: list[Segment] = []
        for segment in super().render(renderable, options):
            if segment.control:
                line.append(segment)
                continue
            text = _SPACES_AT_ENDS.sub("", printable(segment.text))
            if text.startswith("\n"):
                _strip_end(line)
            line.append(Segment(text, segment.style))
            if "\n" in text:
                yield from line[:-1]
                line = line[-1:]
        yield from line


def _strip_end(line: list[Segment]) -> None:
    """Remove the spaces at the end of a line, such as those that fill the last column of a table."""
    while line and not line[-1].control:
        last = line.pop()
        if text := last.text.rstrip(" "):
            line.append(Segment(text, last.style))
            break


def make_console(*, stderr: bool = False) -> Console:
    """Return a console that prints texts literally, without markup or emoji codes, and does not wrap lines of a log."""
    clear_starting()
    console = _SafeConsole(stderr=stderr, highlight=False, markup=False, emoji=False, soft_wrap=True)
    # Some editors and schedulers set COLUMNS=0 for an unknown width; rich would print nothing at all.
    columns = os.environ.get("COLUMNS", "")
    if not (columns.isdecimal() and int(columns)):
        console.width = shutil.get_terminal_size().columns if console.is_terminal else _WIDTH_OF_A_LOG
    return console


def print_notes(console: Console, notes: Iterable[Note | str]) -> None:
    """Print warnings, one per line."""
    for note in notes:
        first, *more = (note if isinstance(note, str) else note_sentence(note)).split("\n")
        paragraph(console, first, "warning: ", "yellow", indent=0)
        for line in more:
            paragraph(console, line, style="yellow", indent=len("warning: "))


def bar_width(console: Console) -> int:
    """Return how many columns a bar may take."""
    return next(bar for least, bar in ((100, 20), (60, 10), (0, 1)) if console.width >= least)


class ScoringBar:
    """Progress of scoring: a bar on a terminal, a line every ten seconds in a log.

    Parameters
    ----------
    console : where to draw
    name : what is scored, or what happens before the first comment
    total : number of comments; None: unknown
    """

    def __init__(self, console: Console, name: str = "loading", total: int | None = None) -> None:
        self._console = console
        self._name = name
        self._done = 0
        self._started = self._printed = self._last = time.monotonic()
        self._progress: Progress | None = None
        self._task = TaskID(0)
        if console.is_terminal:
            columns = [
                TextColumn("  {task.description}", markup=False),
                _Bar(bar_width(console)),
                TextColumn("{task.fields[facts]}", markup=False),
                TimeLeft(),
            ]
            self._progress = Progress(*columns, console=console, transient=True)
            self._progress.start()
            self._task = self._progress.add_task(self._shown_name(), total=total, facts="")

    def advance_in(self, name: str, num_comments: int, total: int | None) -> None:
        """Count comments of one of several jobs; start again from 0 when the job changes."""
        if name != self._name:
            self._name, self._done, self._started = name, 0, self._last  # when the previous job ended
            if self._progress is not None:
                self._progress.update(self._task, description=self._shown_name())
        self.advance(num_comments, total)

    def _shown_name(self) -> str:
        return shortened(self._name, 24 if width_of(self._console) >= _NARROW else 10)

    def advance(self, num_comments: int, total: int | None = None) -> None:
        """Count comments that have been scored, out of ``total`` if it is known."""
        if self._name == "loading":
            self.advance_in("scoring", num_comments, total)
            return
        self._done += num_comments
        self._last = time.monotonic()
        rate = self._done / max(1e-9, time.monotonic() - self._started)
        of = f"/{total:,}" if total else ""
        if self._progress is not None:
            facts = fitting([f"{self._done:,}", of, f"   {rate:,.0f} comments/s"], self._room(), between="")
            self._progress.update(self._task, completed=self._done, total=total, facts=facts)
        elif time.monotonic() - self._printed >= _SECONDS_BETWEEN_LINES:
            self._printed = time.monotonic()
            done = f"{self._done:,}{of} comments" if total else count(self._done, "comment")
            self._console.print(f"  {self._name}   {done}   {rate:,.0f} comments/s")

    def _room(self) -> int:
        """Return how many columns are left beside name, bar and time."""
        return self._console.width - len(self._shown_name()) - bar_width(self._console) - len("     0:00:00 left")

    def stop(self) -> None:
        """Remove the bar."""
        if self._progress is not None:
            self._progress.stop()


@contextmanager
def scoring_bar(console: Console) -> Iterator[ScoringBar]:
    """Draw a bar while the block runs."""
    bar = ScoringBar(console)
    try:
        yield bar
    finally:
        bar.stop()


class _Bar(BarColumn):
    """A bar, or a spinner if the total is unknown: a bar without a total looks like a full one."""

    def __init__(self, width: int) -> None:
        super().__init__(bar_width=width)
        self._spinner = SpinnerColumn()

    def __call__(self, task: Any) -> RenderableType:
        """Return what is drawn now."""
        return super().__call__(task) if task.total else self._spinner.render(task)


class TimeLeft(ProgressColumn):
    """The time left; nothing if the total is unknown."""

    def __init__(self) -> None:
        super().__init__()
        self._remaining = TimeRemainingColumn()

    def render(self, task: Any) -> Text:
        """Return what is drawn now."""
        return Text.assemble(self._remaining.render(task), " left") if task.total else Text("")
