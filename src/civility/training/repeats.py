"""Repeats: one recipe trained several times, with other seeds or on the folds of its data, one run after another.

Each is an ordinary run in a folder of its own. Repeated with --resume, the command skips finished runs, resumes the
interrupted one, and starts the rest.

With folds, every comment is also scored by the run that was not trained on it: a table of these out-of-fold scores, and
a report. They are read from the reports of the runs; no model is loaded. Scores of labels whose calibration was fitted
on the fold itself are those of calibrations that were fitted on other comments.
"""

import functools
import gc
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from civility.arrays import Ints, Scores
from civility.data.dataset import Dataset
from civility.data.prepare import PreparedData
from civility.documents.repeats_summary import RepeatsSummary, Variation
from civility.documents.report import ClassifierFacts
from civility.engine.devices import give_back_memory
from civility.errors import Interrupted, UserError
from civility.evaluation import Report, Scored
from civility.evaluation.build_report import Aspects, Subject, report_on
from civility.evaluation.labelled_comments import thresholds_for
from civility.evaluation.report_files import read_scores_of, write_report
from civility.metrics.policy import parse_policies
from civility.processes import processes_of
from civility.recipe import Recipe
from civility.run import Begin, ReportFiles, RunDirectory
from civility.run.place import check_resumable
from civility.run.repeats_folder import Repeat, RepeatsFolder
from civility.storage.atomic_files import write_file
from civility.storage.parsing import read_text
from civility.training.events import Listener
from civility.training.resume import check_same_settings, check_unchanged
from civility.training.train_run import check, train

MACRO = "macro"
METRICS = ("roc_auc", "average_precision")
_AGAIN = "train that run again"


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
            found = f"{turn.repeat.name}: {stop.message.splitlines()[0]}\nto resume: repeat the command with --resume"
            raise Interrupted(found, stop.signal_number) from None
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
    """Run the checks of the first run that is not finished; write nothing. Parameters: as of `train_several`."""
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
        found = "--seeds and --folds train one run after another in one process"
        remedy = "start the runs one by one under torchrun: --set seed=43 --set data.split_seed=42, or with data.fold"
        raise UserError("training.repeats-under-launcher", found, remedy=remedy)
    turns = []
    for number, (repeat, own) in enumerate(zip(repeats, data, strict=True), start=1):
        run = folder.run(repeat)
        state: Literal["new", "resume", "kept"] = "resume" if run.is_occupied else "new"
        if run.is_occupied:
            check_resumable(run)
        if run.is_finished:
            check_unchanged(run, repeat.recipe, own)
            state = "kept"
        elif run.is_run:
            check_same_settings(run, repeat.recipe)
        turns.append(Turn(repeat, number, len(repeats), state))
    return turns


def _finish(repeats: Sequence[Repeat], data: Sequence[PreparedData], folder: RepeatsFolder) -> Done:
    runs = [folder.run(repeat) for repeat in repeats]
    reports = [Report.read(run.own_report.json, f"remove {run.path}, to train it again") for run in runs]
    summary = summarise([repeat.name for repeat in repeats], reports)
    with write_file(folder.summary) as file:
        file.write(summary.to_json())
    first = repeats[0].recipe
    if not first.data.folds:
        return Done(summary)
    found = gather_out_of_fold(runs, data)
    _write_out_of_fold(found, folder.out_of_fold)
    return Done(summary, *_report_out_of_fold(found, first, runs[0], data[0], folder))


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """All comments in the order of their files, each with the scores (N, L) of the run of its fold (N,), from 1."""

    dataset: Dataset
    scores: Scores
    fold: Ints


def gather_out_of_fold(runs: Sequence[RunDirectory], data: Sequence[PreparedData]) -> OutOfFold:
    """Return the scores of finished runs on their folds; UserError if a run has none, or those of other comments."""
    parts, places = [], []
    for run, own in zip(runs, data, strict=True):
        files = run.own_report
        scores = read_scores_of(files.scores, read_text(files.json, _AGAIN))
        is_own = scores.digest == own.validation.comments_digest and scores.ids == own.validation.ids
        if not is_own or not np.array_equal(scores.targets, own.validation.targets, equal_nan=True):
            found = f"has scores of other comments than {run.path.name}"
            raise UserError("training.other-scores", found, where=files.scores, remedy=_AGAIN)
        assert own.held_out is not None
        parts.append(scores.honest_scores)
        places.append(own.held_out)
    order = np.argsort(np.concatenate(places), kind="stable")
    dataset = functools.reduce(Dataset.joined, (own.validation for own in data)).select(order)
    fold = np.repeat(np.arange(1, len(places) + 1), [len(place) for place in places])
    return OutOfFold(dataset, np.concatenate(parts)[order], fold[order].astype(np.int64))


def _write_out_of_fold(found: OutOfFold, path: Path) -> None:
    """Write ids, targets, scores and folds as Parquet, with the columns of a report's scores and ``fold``."""
    dataset = found.dataset
    columns = {"id": pa.array(dataset.ids, pa.string())}
    columns |= {f"target:{label}": pa.array(dataset.targets[:, i]) for i, label in enumerate(dataset.labels)}
    columns |= {f"score:{label}": pa.array(found.scores[:, i]) for i, label in enumerate(dataset.labels)}
    columns["fold"] = pa.array(found.fold)
    with write_file(path, "wb") as file:
        pq.write_table(pa.table(columns), file)


def _report_out_of_fold(
    found: OutOfFold, recipe: Recipe, run: RunDirectory, data: PreparedData, folder: RepeatsFolder
) -> tuple[Report, ReportFiles]:
    """Measure the scores of all comments and write the report; thresholds are chosen on all of them together.

    ``recipe``, ``run`` and ``data`` are of the first fold, for what the runs have in common.
    """
    num_folds = recipe.data.folds
    policies = parse_policies(recipe.evaluation.policy, data.training.labels)
    choices = thresholds_for(found.dataset, found.scores, policies)
    chosen = {label for label, choice in choices.items() if choice.from_data}
    scored = Scored(
        found.dataset,
        found.scores,
        {label: choice.threshold for label, choice in choices.items()},
        {label: choice.review_threshold for label, choice in choices.items() if choice.review_threshold is not None},
        {label: str(choice.policy) for label, choice in choices.items()},
        set(policies) - chosen,
    )
    own = Report.read(run.own_report.json, _AGAIN)
    subject = Subject(
        folder.report.name,
        data.files,
        ClassifierFacts(name=f"{own.classifier.name}, {num_folds} folds", max_length=own.classifier.max_length),
        ("thresholds",) if recipe.is_linear else ("epoch", "thresholds"),
        (f"every comment is scored by one of {num_folds} runs that was not trained on it", *data.notes),
    )
    report = report_on(scored, subject, Aspects(with_texts=recipe.evaluation.texts_in_report))
    return report, write_report(report, scored, folder.path)
