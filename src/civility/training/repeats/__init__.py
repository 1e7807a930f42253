"""Several runs that belong together, one after another: the same recipe with other seeds, or on the folds of its data.

Each is an ordinary run in a folder of its own, so that what holds of one holds of each. Repeated to go on, the command
keeps those that have reached their end, goes on with the one that was cut, and begins the rest.
"""

import gc
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from civility.data.prepare import PreparedData
from civility.engine.devices import give_back_memory
from civility.errors import Interrupted, UserError
from civility.evaluation import Report
from civility.processes import processes_of
from civility.run import Begin, ReportFiles, RunDirectory
from civility.run.repeats_folder import Repeat, RepeatsFolder
from civility.training.events import Listener
from civility.training.finished_run import check_same_settings, check_unchanged
from civility.training.repeats.out_of_fold import gather_out_of_fold, report_out_of_fold, write_out_of_fold
from civility.training.repeats.summary import Summary, summarise, write_summary
from civility.training.train_run import check, train

__all__ = ["Done", "Turn", "check_several", "train_several"]


@dataclass(frozen=True)
class Turn:
    """Told before each run: which it is, from 1, of how many, and whether it is begun, gone on with, or kept."""

    member: Repeat
    number: int
    num: int
    begin: Literal["new", "resume", "kept"]


ListenTo = Callable[[Turn], Listener]


@dataclass(frozen=True)
class Done:
    """What several runs have come to; ``report`` is on the out-of-fold scores, None where there are no folds."""

    summary: Summary
    report: Report | None = None
    files: ReportFiles | None = None


def train_several(
    members: Sequence[Repeat],
    data: Sequence[PreparedData],
    out: Path,
    *,
    command: Sequence[str] = (),
    tracker: str = "",
    begin: Begin = "new",
    listen_to: ListenTo = lambda turn: lambda fact: None,
) -> Done:
    """Train runs one after another, and write what they have come to together.

    Parameters
    ----------
    members : from `civility.run.repeats_folder`
    data : of each, from `civility.data.prepare.prepare_all`
    out : a folder for their folders
    command, tracker : as of `civility.training.train_run.train`
    begin : "new", or "resume" to go on with what is there; what is there is never put aside
    listen_to : told whose turn it is, returns who listens to that run

    Raises
    ------
    UserError : whatever the user can mend, all that can be told before the first run among it
    Interrupted : as of `civility.training.train_run.train`, with how to go on with all
    """
    turns = _turns(members, data, out, begin)
    for turn, own in zip(turns, data, strict=True):
        listen = listen_to(turn)
        if turn.begin == "kept":
            continue
        place = out / turn.member.name
        try:
            train(turn.member.recipe, own, place, command=command, tracker=tracker, begin=turn.begin, listen=listen)
        except Interrupted as stop:
            first = stop.message.splitlines()[0]
            raise Interrupted(
                f"{turn.member.name}: {first}\nto go on: repeat the command with --resume", stop.signal_number
            ) from None
        gc.collect()  # a run's parts refer to each other: else its weights would lie beside the next one's
        give_back_memory()
    return _finish(members, data, out)


def check_several(
    members: Sequence[Repeat],
    data: Sequence[PreparedData],
    out: Path,
    *,
    tracker: str = "",
    begin: Begin = "new",
    listen_to: ListenTo = lambda turn: lambda fact: None,
) -> None:
    """Make the checks of the first run that is not done; write nothing.

    Raises
    ------
    UserError : as of `train_several`
    """
    for turn, own in zip(_turns(members, data, out, begin), data, strict=True):
        if turn.begin != "kept":
            place, listen = out / turn.member.name, listen_to(turn)
            check(turn.member.recipe, own, place, begin=turn.begin, tracker=tracker, listen=listen)
            return


def _turns(members: Sequence[Repeat], data: Sequence[PreparedData], out: Path, begin: Begin) -> list[Turn]:
    """Return what is to be done for each run; UserError where what is there belongs to something else."""
    RepeatsFolder(out).check_place(begin)
    RepeatsFolder(out).check_kind(members)
    if processes_of(os.environ).num > 1:
        raise UserError(
            "training.todo",
            "--seeds and --folds train one run after another in one process",
            remedy="start the runs one by one under torchrun: --set seed=43 --set data.split_seed=42, "
            "or with data.fold",
        )
    turns = []
    for number, (member, own) in enumerate(zip(members, data, strict=True), start=1):
        run = RunDirectory(out / member.name)
        state: Literal["new", "resume", "kept"] = "resume" if run.is_begun else "new"
        if run.is_begun:
            run.check_resumable()
        if run.is_finished:
            check_unchanged(run, member.recipe, own)
            state = "kept"
        elif run.is_run:
            check_same_settings(run, member.recipe)
        turns.append(Turn(member, number, len(members), state))
    return turns


def _finish(members: Sequence[Repeat], data: Sequence[PreparedData], out: Path) -> Done:
    runs = [RunDirectory(out / member.name) for member in members]
    reports = [_report_of(run) for run in runs]
    summary = summarise([member.name for member in members], reports)
    write_summary(summary, out)
    first = members[0].recipe
    if not first.data.folds:
        return Done(summary)
    found = gather_out_of_fold(runs, data)
    write_out_of_fold(found, out)
    report, files = report_out_of_fold(found, first, runs[0], data[0], out)
    return Done(summary, report, files)


def _report_of(run: RunDirectory) -> Report:
    path = run.own_report.json
    return Report.read(path, f"remove {run.path}, to train it again")
