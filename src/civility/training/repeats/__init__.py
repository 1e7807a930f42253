"""Repeats: one recipe trained several times, with other seeds or on the folds of its data, one run after another.

Each is an ordinary run in a folder of its own. Repeated with --resume, the command skips finished runs, resumes the
interrupted one, and starts the rest.
"""

import gc
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from civility.data.prepare import PreparedData
from civility.documents.repeats_summary import RepeatsSummary, Variation
from civility.engine.devices import give_back_memory
from civility.errors import Interrupted, UserError
from civility.evaluation import Report
from civility.processes import processes_of
from civility.run import Begin, ReportFiles, RunDirectory
from civility.run.repeats_folder import Repeat, RepeatsFolder
from civility.storage.atomic_files import write_file
from civility.training.events import Listener
from civility.training.finished_run import check_same_settings, check_unchanged
from civility.training.repeats.out_of_fold import gather_out_of_fold, report_out_of_fold, write_out_of_fold
from civility.training.train_run import check, train

MACRO = "macro"
METRICS = ("roc_auc", "average_precision")


@dataclass(frozen=True)
class Turn:
    """One of the runs before it starts: its number from 1, how many there are, and how it begins."""

    repeat: Repeat
    number: int
    num: int
    begin: Literal["new", "resume", "kept"]


ListenTo = Callable[[Turn], Listener]


@dataclass(frozen=True)
class Done:
    """The result of repeats; with folds, there is also a report on the out-of-fold scores."""

    summary: RepeatsSummary
    report: Report | None = None
    files: ReportFiles | None = None


def train_several(
    repeats: Sequence[Repeat],
    data: Sequence[PreparedData],
    out: Path,
    *,
    command: Sequence[str] = (),
    tracker: str = "",
    begin: Begin = "new",
    listen_to: ListenTo = lambda turn: lambda event: None,
) -> Done:
    """Train one run after another, and write their summary.

    Parameters
    ----------
    repeats : from `civility.run.repeats_folder`
    data : of each, from `civility.data.prepare.prepare_all`
    out : the folder of their run directories
    command, tracker : as of `civility.training.train_run.train`
    begin : "new", or "resume" to continue what is there; "restart" is refused
    listen_to : called before each run, returns its listener

    Raises
    ------
    UserError : what the user can fix; as far as possible before the first run
    Interrupted : as of `civility.training.train_run.train`, with how to resume all runs
    """
    turns = _turns(repeats, data, out, begin)
    for turn, own in zip(turns, data, strict=True):
        listen = listen_to(turn)
        if turn.begin == "kept":
            continue
        place = RepeatsFolder(out).run(turn.repeat).path
        try:
            train(turn.repeat.recipe, own, place, command=command, tracker=tracker, begin=turn.begin, listen=listen)
        except Interrupted as stop:
            first = stop.message.splitlines()[0]
            raise Interrupted(
                f"{turn.repeat.name}: {first}\nto resume: repeat the command with --resume", stop.signal_number
            ) from None
        gc.collect()  # the parts of a run refer to each other, so that its weights would stay beside the next run's
        give_back_memory()
    return _finish(repeats, data, RepeatsFolder(out))


def check_several(
    repeats: Sequence[Repeat],
    data: Sequence[PreparedData],
    out: Path,
    *,
    tracker: str = "",
    begin: Begin = "new",
    listen_to: ListenTo = lambda turn: lambda event: None,
) -> None:
    """Run the checks of the first run that is not finished; write nothing.

    Parameters
    ----------
    repeats, data, out, tracker, begin, listen_to : as of `train_several`

    Raises
    ------
    UserError : as of `train_several`
    """
    for turn, own in zip(_turns(repeats, data, out, begin), data, strict=True):
        if turn.begin != "kept":
            place, listen = RepeatsFolder(out).run(turn.repeat).path, listen_to(turn)
            check(turn.repeat.recipe, own, place, begin=turn.begin, tracker=tracker, listen=listen)
            return


def summarise(runs: Sequence[str], reports: Sequence[Report]) -> RepeatsSummary:
    """Return mean and standard deviation of each metric over runs whose reports have the same labels."""
    metrics: dict[str, dict[str, Variation]] = {}
    for metric in METRICS:
        metrics[metric] = {MACRO: Variation.of(getattr(report.macro, metric).value for report in reports)}
        for label in reports[0].labels:
            values = (getattr(report.labels[label], metric).value for report in reports)
            metrics[metric][label] = Variation.of(values)
    return RepeatsSummary(runs=tuple(runs), metrics=metrics)


def _turns(repeats: Sequence[Repeat], data: Sequence[PreparedData], out: Path, begin: Begin) -> list[Turn]:
    """Return how each run begins; UserError if the folder holds something else."""
    folder = RepeatsFolder(out)
    folder.check_place(begin)
    folder.check_kind(repeats)
    if processes_of(os.environ).num > 1:
        raise UserError(
            "training.repeats-under-launcher",
            "--seeds and --folds train one run after another in one process",
            remedy="start the runs one by one under torchrun: --set seed=43 --set data.split_seed=42, "
            "or with data.fold",
        )
    turns = []
    for number, (repeat, own) in enumerate(zip(repeats, data, strict=True), start=1):
        run = folder.run(repeat)
        state: Literal["new", "resume", "kept"] = "resume" if run.is_occupied else "new"
        if run.is_occupied:
            run.check_resumable()
        if run.is_finished:
            check_unchanged(run, repeat.recipe, own)
            state = "kept"
        elif run.is_run:
            check_same_settings(run, repeat.recipe)
        turns.append(Turn(repeat, number, len(repeats), state))
    return turns


def _finish(repeats: Sequence[Repeat], data: Sequence[PreparedData], folder: RepeatsFolder) -> Done:
    runs = [folder.run(repeat) for repeat in repeats]
    summary = summarise([repeat.name for repeat in repeats], [_report_of(run) for run in runs])
    with write_file(folder.summary) as file:
        file.write(summary.to_json())
    first = repeats[0].recipe
    if not first.data.folds:
        return Done(summary)
    found = gather_out_of_fold(runs, data)
    write_out_of_fold(found, folder)
    report, files = report_out_of_fold(found, first, runs[0], data[0], folder)
    return Done(summary, report, files)


def _report_of(run: RunDirectory) -> Report:
    path = run.own_report.json
    return Report.read(path, f"remove {run.path}, to train it again")
