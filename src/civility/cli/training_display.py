"""What a training run shows: plan, checks, a bar or a line for the steps, a row for each epoch, and the report."""

import math
import shlex
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from civility.cli.console import ScoringBar, TimeLeft, bar_width, print_notes
from civility.data.reading.opening import is_built_in
from civility.plain_text import clock, count, one_line
from civility.render.sentences.report_sentences import METRIC_NAMES, metric_text, with_interval
from civility.render.terminal.layout import first_that_fits, fitting, paragraph, width_of, wrapped
from civility.render.terminal.report_tables import print_report

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from civility.documents.repeats_summary import RepeatsSummary, Variation
    from civility.engine.progress import StepDone
    from civility.engine.step_profile import StepsProfiled
    from civility.evaluation import Report
    from civility.training.events import EpochJudged, Event, Planned, RunFinished, RunPlanned, RunResumed
    from civility.training.preflight import Check
    from civility.training.repeats import Turn

_SECONDS_BETWEEN_LINES = 10.0
_NARROW = 76
_STYLES = {"passed": "green", "warned": "yellow", "failed": "bold red"}
_NAME, _INDENT = 20, 4
_LONGEST_NAME = 17
_COLUMNS = ("mean", "SD", "lowest", "highest", "runs")
_STATES = {"new": "", "resume": "resumed", "kept": "already finished"}


class TrainingDisplay:
    """Draws a training run from its events; ``suggests`` useful next commands at its end."""

    def __init__(self, console: Console, *, suggests: bool = True) -> None:
        self._console = console
        self._suggests = suggests
        self._plan: RunPlanned  # from the first event of an encoder's run
        self._progress: Progress | None = None
        self._task = TaskID(0)
        self._epoch = 0
        self._printed = 0.0
        self._window: list[StepDone] = []
        self._num_skipped = 0
        self._scoring: ScoringBar | None = None
        self._num_validation = 0

    def listen(self, event: "Event") -> None:
        """Draw one event."""
        from civility.engine import progress, step_profile, watch
        from civility.training import events

        if isinstance(event, events.Planned):
            self._draw_plan(event)
        elif isinstance(event, events.RunChecked):
            print_checks(self._console, event.checks, in_full=event.in_full)
        elif isinstance(event, events.RunResumed):
            self._draw_resumption(event)
        elif isinstance(event, watch.Warned):
            print_notes(self._console, [f"{event.text}\n{event.remedy}" if event.remedy else event.text])
        elif isinstance(event, progress.StepDone):
            self._draw_step(event)
        elif isinstance(event, step_profile.StepsProfiled):
            self._draw_profile(event)
        elif isinstance(event, events.ValidationStarted):
            self._stop_bar()
            self._scoring = ScoringBar(self._console, "validation", event.num_comments)
            self._num_validation = event.num_comments
        elif isinstance(event, events.ValidationScored):
            assert self._scoring is not None
            self._scoring.advance(event.num_comments, self._num_validation)
        elif isinstance(event, events.EpochJudged):
            self._draw_epoch(event)
        else:
            self._draw_end(event)

    def close(self) -> None:
        """Restore the terminal, also after an error."""
        self._stop_bar()

    def _draw_plan(self, plan: "Planned") -> None:
        from civility.training.events import RunPlanned

        added = f" ({', '.join(plan.added)})" if plan.added else ""
        counts = f"{count(plan.num_training, 'comment')}{added}", f"{plan.num_validation:,} for validation"
        rows = {"data": _joined(*counts, count(len(plan.labels), "label")), "model": plan.model}
        if isinstance(plan, RunPlanned):
            self._plan = plan
            rows["data"] += f" · {plan.share_truncated:.1%} truncated"
            head = "new head" if plan.head_is_new else "head kept"
            rows["model"] += f" · {plan.num_parameters / 1e6:,.1f} M parameters · {head}"
            rows["speed"] = _describe_speed(plan)
            rows["device"] = _joined(plan.device, plan.precision, plan.threads)
            epochs = f"up to {count(plan.epochs, 'epoch')} of {count(plan.steps_per_epoch, 'step')}"
            rows["plan"] = _joined(
                epochs, f"{count(plan.global_batch, 'comment')} per step", plan.fitted, plan.steps_by
            )
            rows["loss"] = _joined(plan.loss, *(f"{label} {weight:.3g}" for label, weight in plan.loss_weights.items()))
        rows["run"] = str(plan.path)
        for name, value in rows.items():
            paragraph(self._console, value, f"{name:<10} ")
        print_notes(self._console, plan.notes)

    def _draw_resumption(self, event: "RunResumed") -> None:
        self._plan = replace(self._plan, steps_per_epoch=event.steps_per_epoch, global_batch=event.global_batch)
        epochs, steps = divmod(event.steps_done, event.steps_per_epoch)
        of_epochs, of_steps = count(self._plan.epochs, "epoch"), count(event.steps_per_epoch, "step")
        done = f"after step {event.steps_done:,}: {epochs} of {of_epochs} and {steps:,} of {of_steps}"
        paragraph(self._console, f"{done}, {count(event.global_batch, 'comment')} per step", f"{'resumed':<10} ")
        self._console.print()

    def _draw_step(self, event: "StepDone") -> None:
        if event.epoch != self._epoch:
            self._start_epoch(event.epoch)
        self._num_skipped += event.skipped
        self._window = [*self._window[-49:], event]
        of_steps = self._plan.steps_per_epoch
        step = event.step - (event.epoch - 1) * of_steps
        if self._progress is not None:
            self._progress.update(self._task, completed=step, facts=fitting(self._facts(event), self._room()))
        elif step == of_steps or time.monotonic() - self._printed >= _SECONDS_BETWEEN_LINES:
            self._printed = time.monotonic()
            left = sum(one.seconds for one in self._window) / len(self._window) * (of_steps - step)
            self._console.print(
                f"  epoch {event.epoch}/{self._plan.epochs}   step {step:,}/{of_steps:,}   "
                f"{'   '.join(self._facts(event))}   {clock(left)} left in the epoch"
            )

    def _start_epoch(self, epoch: int) -> None:
        self._epoch, self._window = epoch, []
        self._printed = time.monotonic()
        if not self._console.is_terminal:
            return
        self._stop_bar()
        columns = [
            TextColumn(f"  epoch {epoch}/{self._plan.epochs}"),
            BarColumn(bar_width=bar_width(self._console)),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
            TextColumn("{task.fields[facts]}", markup=False),
            TimeLeft(),
        ]
        self._progress = Progress(*columns, console=self._console, transient=True)
        self._progress.start()
        self._task = self._progress.add_task("", total=self._plan.steps_per_epoch, facts="")

    def _room(self) -> int:
        """Return how many columns are left beside epoch, bar, steps and time."""
        steps = 2 * len(f"{self._plan.steps_per_epoch:,}")
        rest = len(f"  epoch {self._epoch}/{self._plan.epochs}  /  0:00:00 left  ")
        return self._console.width - steps - bar_width(self._console) - rest

    def _facts(self, event: "StepDone") -> list[str]:
        """Return loss, rate, learning rate and padding, most important first."""
        losses = [step.loss for step in self._window if not math.isnan(step.loss)]
        loss = sum(losses) / len(losses) if losses else math.nan
        seconds = sum(step.seconds for step in self._window)
        rate = sum(step.num_comments for step in self._window) / max(1e-9, seconds)
        padded = sum(step.num_padded for step in self._window)
        padding = 1 - sum(step.num_tokens for step in self._window) / max(1, padded)
        return [
            *(f"loss {loss:.4f}", f"{rate:,.0f} comments/s"),
            *(f"lr {event.learning_rate:.2e}", f"padding {padding:.0%}"),
        ]

    def _stop_bar(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
        if self._scoring is not None:
            self._scoring.stop()
            self._scoring = None

    def _draw_epoch(self, event: "EpochJudged") -> None:
        self._stop_bar()
        epoch = event.epoch
        star, chosen_by = " *" if event.is_best else "  ", self._plan.metric
        values = {
            "epoch": str(epoch.epoch),
            "loss": f"{epoch.training_loss:.4f}",
            "val loss": f"{epoch.validation.loss:.4f}" + (star if chosen_by == "loss" else ""),
            "macro AUC": metric_text(epoch.validation.macro_roc_auc) + (star if chosen_by == "macro_roc_auc" else ""),
        }
        if chosen_by == "macro_average_precision":
            values["macro AP"] = metric_text(epoch.validation.macro_average_precision) + star
        values |= {label: metric_text(value, 3) for label, value in epoch.validation.roc_auc.items()}
        widths = {name: max(len(name), len(value)) for name, value in values.items()}
        if sum(widths.values()) + 2 * len(widths) > width_of(self._console):
            first, *others = (f"{name} {value.strip()}".replace(" ", "\xa0") for name, value in values.items())
            lines = wrapped("   ".join([first, *others]), width_of(self._console) - 4)
            self._console.print("  " + "\n    ".join(lines).replace("\xa0", " "))
        else:
            if epoch.epoch == 1 or not self._console.is_terminal:  # other lines may stand between in a log
                self._console.print("  " + "  ".join(f"{name:<{widths[name]}}" for name in values), style="bold")
            self._console.print("  " + "  ".join(f"{value:<{widths[name]}}" for name, value in values.items()))
        if self._num_skipped:
            skipped = count(self._num_skipped, "step")
            paragraph(self._console, f"{skipped} skipped so far: fp16 gradients overflowed, the scale was lowered")

    def _draw_profile(self, event: "StepsProfiled") -> None:
        self._stop_bar()
        self._epoch = 0  # the bar is started again
        console, width = self._console, max(map(len, event.parts))
        console.print(f"\n  steps {event.first:,} to {event.last:,}: {event.seconds:.3f} s each", style="bold")
        for kind, seconds in event.parts.items():
            console.print(f"    {kind:<{width}}  {seconds:8.4f} s  {seconds / event.seconds:6.1%}")
        paragraph(console, f"table: {event.table} · trace: {event.trace} (open it in https://ui.perfetto.dev)")
        console.print()

    def _draw_end(self, event: "RunFinished") -> None:
        console, run = self._console, event.run
        epochs = "1 epoch   " if event.epochs_run else ""  # a linear model has none
        if event.epochs_run > 1:
            why = ", then stopped early" if event.stopped_early else ""
            epochs = f"best: epoch {event.best_epoch} of {event.epochs_run}{why}   "
        if epochs:
            console.print()
        console.print(f"  {epochs}{clock(event.seconds)} in total\n")
        print_report(console, event.report)
        console.print(f"\n  classifier   {run.classifier}")
        console.print(f"  report       {run.reports / f'{event.report.name}.html'}")
        if not self._suggests:
            return
        console.print()
        for place, command in enumerate(_next_steps(str(run.path), event.report.data.files)):
            console.print(f"  {'next:' if not place else '':<5}  {command}")


def _next_steps(run: str, files: Sequence[str]) -> Iterator[str]:
    """Yield commands that are useful after a run; most can be run as they are."""
    target = shlex.quote(run)
    yield f'echo "have a nice day" | civility predict {target} --data -'
    yield f"civility evaluate {target} --suite civility:suite --robustness --name behaviour"
    yield f"civility thresholds {target} --policy 'default: precision>=0.8' --check"
    if all(map(is_built_in, files)):
        yield "civility train baseline --data your-labelled-comments.csv"


def _joined(*parts: str) -> str:
    """Join the parts that are not empty."""
    return " · ".join(filter(None, parts))


def _describe_speed(plan: "RunPlanned") -> str:
    speed = plan.speed
    attention = "fused layers" if speed.attention == "fused" else f"{speed.attention} attention"
    attention += f" ({speed.why_not_faster})" if speed.why_not_faster else ""
    rows = f"all {plan.num_embeddings:,} embedding rows ({speed.why_whole})"
    if speed.rows_in_use is not None:
        rows = f"{speed.rows_in_use:,} of {plan.num_embeddings:,} embedding rows in use"
    again = "gradient checkpointing" if speed.checkpointing else ""
    frozen = f"{speed.num_frozen / 1e6:,.1f} M parameters frozen" if speed.num_frozen else ""
    return _joined(attention, rows, again, frozen, speed.token_cache)


def print_checks(console: Console, checks: "Sequence[Check]", *, in_full: bool) -> None:
    """Print how many checks passed, warned and failed, and those that did not pass, or all of them ``in_full``."""
    counts = {state: sum(check.state == state for check in checks) for state in _STYLES}
    totals = " · ".join(f"{count} {state}" for state, count in counts.items() if count)
    console.print(f"  {'checks':<10} {totals}")
    shown = [check for check in checks if in_full or check.state != "passed"]
    if shown:
        console.print()
    for check in shown:
        _print_check(console, check)
    console.print()


def _print_check(console: Console, check: "Check") -> None:
    """Print one check: its state and name, what was found, and what to do."""
    is_narrow = width_of(console) < _NARROW  # what was found goes below the name
    margin = _INDENT + 2 if is_narrow else _INDENT + 8 + _NAME + 2
    width = width_of(console) - margin
    lines = wrapped(check.found, width)
    if check.remedy:
        lines += [f"→ {line}" if i == 0 else f"  {line}" for i, line in enumerate(wrapped(check.remedy, width - 2))]
    console.print(" " * _INDENT, end="")
    console.print(f"{check.state:<8}", style=_STYLES[check.state], end="")
    console.print(check.name if is_narrow else f"{check.name:<{_NAME}}  {lines.pop(0)}")
    for line in lines:
        console.print(" " * margin + line)


def print_turn(console: Console, turn: "Turn") -> None:
    """Print which of several runs comes next."""
    state = f"   {_STATES[turn.begin]}" if _STATES[turn.begin] else ""
    console.print(f"\n── {turn.repeat.name}   {turn.number} of {turn.num}{state}\n", style="bold")


def print_summary(console: Console, summary: "RepeatsSummary") -> None:
    """Print mean, standard deviation and range of each label over the runs, for each metric."""
    console.print()
    paragraph(console, f"{count(len(summary.runs), 'run')}: {', '.join(map(one_line, summary.runs))}")
    console.print()
    for metric, rows in summary.metrics.items():
        tables = (_table(METRIC_NAMES[metric], rows, num) for num in (len(_COLUMNS), 2))
        console.print(first_that_fits(console, tables))
        console.print()
    paragraph(console, "SD: standard deviation over the runs (n - 1)", style="dim")


def _table(name: str, rows: "Mapping[str, Variation]", num_columns: int) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column(f"  {name}", min_width=_LONGEST_NAME + 2, max_width=_LONGEST_NAME + 2, no_wrap=True)
    for column in _COLUMNS[:num_columns]:
        table.add_column(column, justify="right", no_wrap=True, min_width=7)
    for label, spread in rows.items():
        known = [value for value in spread.values if value is not None]
        ends = (min(known), max(known)) if known else (None, None)
        numbers = (spread.mean, spread.sd, *ends)
        written = ("-" if number is None or math.isnan(number) else f"{number:.4f}" for number in numbers)
        table.add_row(Text(f"  {one_line(label)}"), *[*written, str(len(known))][:num_columns])
    return table


def print_out_of_fold(console: Console, report: "Report", scores: "Path", page: "Path") -> None:
    """Print the metrics of the out-of-fold scores, and where the files are."""
    macro = report.macro
    num_comments = count(report.data.num_comments, "comment")
    found = f"macro ROC AUC {with_interval(macro.roc_auc, 4)}, average precision "
    found += with_interval(macro.average_precision, 4)
    console.print()
    paragraph(console, f"{num_comments}, each scored by the run not trained on it: {found}")
    console.print(f"\n  scores   {one_line(str(scores))}\n  report   {one_line(str(page))}")
