"""Find the scores of what is compared: run directories, folders of runs, reports, or classifiers on a common file."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from civility.arrays import Float32s
from civility.data.reading import Columns
from civility.documents.comparison_result import RunFacts, Setting
from civility.documents.note import Note, as_note
from civility.errors import UserError
from civility.evaluation import Report
from civility.evaluation.labelled_comments import read_labelled
from civility.evaluation.report_files import ScoresTable, read_scores_of
from civility.metrics.threshold_search import DEFAULT_THRESHOLD
from civility.plain_text import shortened
from civility.recipe import Reason, Recipe, settings_for
from civility.run import ReportFiles, RunDirectory
from civility.run.repeats_folder import RepeatsFolder
from civility.scoring.classifier import Classifier
from civility.storage.atomic_files import real_path
from civility.storage.parsing import read_text


@dataclass(frozen=True)
class Target:
    """Something to compare: its name, and the run that it is or belongs to."""

    name: str
    run: RunDirectory | None

    @property
    def is_report(self) -> bool:
        """Whether it is the JSON of a report."""
        return self.name.endswith(".json")


@dataclass(frozen=True, eq=False)
class ScoredTarget:
    """A target with its scores.

    Parameters
    ----------
    target : what is compared
    scores : of N comments
    cuts : (L,) thresholds
    notes : of its report on the comments
    is_chosen : whether its epoch or its members were chosen on these very comments
    """

    target: Target
    scores: ScoresTable
    cuts: Float32s
    notes: tuple[Note, ...] = ()
    is_chosen: bool = False


def find_targets(names: Sequence[str]) -> list[Target]:
    """Return what the names stand for; a folder of runs named ``seed-…`` stands for all of them.

    A run that is also named by itself counts once. Raises a UserError for an unfinished run or a summary of runs.
    """
    targets: list[Target] = []
    seen: dict[Path, bool] = {}  # by real path of a run: whether it was found in a folder
    for name in names:
        path = Path(name)
        run = RunDirectory.find(path)
        inner = [inner.path for inner in RepeatsFolder(path).seed_runs()] if run is None else []
        if run is None and RepeatsFolder(path).fold_runs():
            found = "contains the folds of a cross-validation, each evaluated on other comments"
            remedy = f"name the report on all comments: {RepeatsFolder(path).report.json}"
            raise UserError("evaluation.not-comparable", found, where=name, remedy=remedy)
        if path.is_file() and RepeatsFolder(path.parent).seed_runs():
            found = "not a report, but a file beside the runs of a folder"
            remedy = f"name the folder alone: {path.parent}"
            raise UserError("evaluation.not-comparable", found, where=name, remedy=remedy)
        for each in inner or [path]:
            run = RunDirectory.find(each)
            if run is None and inner:
                remedy = "train it, or name the finished runs one by one"
                raise UserError("evaluation.unfinished-run", "has no run in it", where=each, remedy=remedy)
            if run is not None:
                _refuse_unfinished(run)
                place = real_path(run.path)
                if place in seen and (inner or seen[place]):
                    continue
                seen[place] = bool(inner)
            targets.append(Target(str(each) if inner else name, run or _run_of_report(each)))
    return targets


def missing_runs(names: Sequence[str]) -> list[Note]:
    """Return a note for each folder of runs named ``seed-…`` that lacks some of the planned ones."""
    notes = []
    for name in dict.fromkeys(names):
        folder = RepeatsFolder(Path(name))
        if RunDirectory.find(folder.path) is None and (missing := folder.missing_seed_runs()):
            num = len(folder.seed_runs())
            paths = tuple(str(folder.path / each) for each in missing)
            notes.append(Note(code="missing_runs", names=paths, num=num, total=num + len(missing)))
    return notes


def _refuse_unfinished(run: RunDirectory) -> None:
    if not run.is_finished:
        found = "the run is not finished, so it has no classifier to compare"
        remedy = f"resume it with 'civility train --resume --out {run.path}', or leave it out"
        raise UserError("evaluation.unfinished-run", found, where=run.path, remedy=remedy)


def _run_of_report(path: Path) -> RunDirectory | None:
    """Return the run whose folder of reports contains a file."""
    run = RunDirectory.find(path.parent.parent)
    return run if run is not None and run.reports == path.parent else None


def read_source(target: Target) -> ScoredTarget:
    """Read the scores of a report, or of a run's own; a UserError if they or the report are missing or damaged."""
    files = _files_of(target)
    is_there = files.json.is_file()
    text = read_text(files.json, "evaluate again" if is_there else "name the JSON of a report, or a run directory")
    report = Report.parse(text, files.json)
    scores = read_scores_of(files.scores, text)
    if unknown := [label for label in scores.labels if label not in report.labels]:
        found = f"has scores of {unknown[0]!r}, which its report does not have"
        raise UserError("evaluation.scores-damaged", found, where=files.scores, remedy="evaluate again")
    cuts = np.array([report.labels[label].threshold for label in scores.labels], dtype=np.float32)
    return ScoredTarget(target, scores, cuts, report.notes, "epoch" in report.optimistic)


def _files_of(target: Target) -> ReportFiles:
    path = Path(target.name)
    if target.is_report:
        return ReportFiles(path.parent, path.name.removesuffix(".json"))
    if target.run is None and (missing := RunDirectory(path).missing):
        found = f"no {' and no '.join(missing)}: not a complete run directory"
        remedy = f"restore what is missing; or name its report: {RunDirectory(path).own_report.json}"
        raise UserError("evaluation.not-comparable", found, where=target.name, remedy=remedy)
    if target.run is None:
        found = "neither a run directory, nor a folder of runs named seed-…, nor the JSON file of a report"
        remedy = "name one of these; or give --data FILE, on which any classifier can be scored"
        raise UserError("evaluation.not-comparable", found, where=target.name, remedy=remedy)
    return target.run.own_report


def merged_notes(notes: Sequence[tuple[str, Note]], num_targets: int) -> list[Note]:
    """Return each note once, with the names of its targets; one that all share is about the comments, without names."""
    names: dict[Note, list[str]] = {}
    for name, note in notes:
        names.setdefault(note, []).append(name)
    return [
        note if len(own) == num_targets else note.model_copy(update={"names": tuple(own)})
        for note, own in names.items()
    ]


def refuse_other_comments(sources: Sequence[ScoredTarget], remedy: str) -> None:
    """Raise a UserError unless all have the same comments with the same targets in the same order."""
    first, *others = sources
    for other in others:
        own = other.scores
        if own.digest != first.scores.digest or own.ids != first.scores.ids or own.labels != first.scores.labels:
            raise UserError(
                "evaluation.other-comments",
                f"{other.target.name} is on other comments than {first.target.name}, or on other "
                f"labels, targets or ids of them ({own.digest[:19]} and {first.scores.digest[:19]})",
                remedy=remedy,
            )
        differ = np.argwhere(~_equal(own.targets, first.scores.targets))
        if len(differ):
            row, label = map(int, differ[0])
            raise UserError(
                "evaluation.other-comments",
                f"{other.target.name} and {first.target.name} have other targets for the same comments: "
                f"{own.labels[label]} of row {row + 1} (id {shortened(own.ids[row], 40)}) is "
                f"{_target(own.targets[row, label])} and {_target(first.scores.targets[row, label])}"
                + (f", and {len(differ) - 1:,} more differ" if len(differ) > 1 else ""),
                remedy=remedy,
            )


def _target(target: float) -> str:
    return "unknown" if np.isnan(target) else f"{target:g}"


def _equal(some: Float32s, others: Float32s) -> npt.NDArray[np.bool_]:
    """Return where targets are the same, or both unknown."""
    return np.asarray((some == others) | (np.isnan(some) & np.isnan(others)))


def score_on(
    targets: Sequence[Target],
    files: Sequence[str],
    columns: Columns,
    on_scored: Callable[[str, int, int], None],
) -> tuple[list[ScoredTarget], list[Note]]:
    """Return the scores of each target's classifier on labelled files, and notes, such as on training comments.

    Raises a UserError if a target is a report, or has other labels than the first, or for any other mistake.
    """
    for target in targets:
        if target.is_report:
            found = "a report, which has no classifier to score other comments"
            remedy = "name the run or the classifier folder; or leave out --data"
            raise UserError("evaluation.not-comparable", found, where=target.name, remedy=remedy)
    sources: list[ScoredTarget] = []
    notes: list[tuple[str, Note]] = []
    for target in targets:
        classifier = Classifier.load(target.name)
        if sources and classifier.labels != sources[0].scores.labels:
            raise UserError(
                "evaluation.other-comments",
                f"{target.name} has other labels than {targets[0].name}: "
                f"{', '.join(classifier.labels)} and {', '.join(sources[0].scores.labels)}",
                remedy="compare classifiers of the same labels",
            )
        labelled = read_labelled(target.name, files, classifier.labels, columns)
        dataset = labelled.dataset
        logits = classifier.logits(dataset.texts, on_scored=_named(on_scored, target.name, len(dataset)))
        cuts = [classifier.thresholds.get(label, DEFAULT_THRESHOLD) for label in classifier.labels]
        calibrated = classifier.calibrated(logits)
        identity = (dataset.comments_digest, dataset.ids, dataset.labels, dataset.targets)
        scores = ScoresTable(*identity, calibrated, honest_scores=calibrated)
        sources.append(ScoredTarget(target, scores, np.array(cuts, dtype=np.float32)))
        notes += [(target.name, as_note(note)) for note in labelled.notes]
        if target.run is None:
            notes.append((target.name, Note(code="unknown_training")))
    return sources, merged_notes(notes, len(targets))


def _named(on_scored: Callable[[str, int, int], None], name: str, total: int) -> Callable[[int], None]:
    return lambda number: on_scored(f"scoring {name}", number, total)


_FREE = settings_for(Reason.UPKEEP, Reason.LOGGING, Reason.SEED) | {
    "evaluation.texts_in_report",
    *("training.gradient_accumulation", "training.fit"),  # the comments of a step are shown as training.batch_size
}
"""Settings in which runs of one row may differ. The device and gradient checkpointing affect time and memory, which are
shown by row. The seed of the split may be written out or follow the seed: digests show whether comments are equal."""


def facts_of(target: Target) -> tuple[RunFacts, dict[str, Setting]]:
    """Return the facts of a target, and the settings that its results depend on, without the seed.

    Without a run, the only fact is a name, and the settings are empty. Facts from a damaged log are None.

    Raises
    ------
    UserError : the run's recipe cannot be read
    """
    run = target.run
    if run is None:
        return RunFacts(name=target.name), {}
    asked = run.load_recipe()
    recipe = {key: value for key, value in asked.flat().items() if asked.takes_part(key)}
    environment = None
    with suppress(UserError):
        environment = run.environment()
    if environment is not None and environment.combination is not None:
        # A combination of several runs: its recipe is that of the first, except the model.
        return RunFacts(name=target.name), {"model.name": recipe["model.name"]}
    facts = RunFacts(
        name=target.name,
        seed=int(recipe["seed"]),
        device=environment.device if environment else None,
        training_digest=environment.data.training.digest if environment else "",
    )
    facts = facts.model_copy(update=_epochs(run) | _times(run))
    settings = {key: value for key, value in recipe.items() if key not in _FREE}
    return facts, settings | _by_content(asked, settings, environment.num_processes if environment else 1)


def _by_content(asked: Recipe, settings: Mapping[str, Setting], num_processes: int) -> dict[str, Setting]:
    """Return settings that can be written in several ways in a single one: files by their names, batches as a whole.

    The comments of a step are the same however they are divided among micro-batches and processes.
    """
    found: dict[str, Setting] = {
        key: ",".join(Path(part).name for part in str(settings[key]).split(","))
        for key in ("data.files", "data.validation", "data.pseudo_labels")
        if isinstance(settings.get(key), str)
    }
    if "training.batch_size" in settings:
        found["training.batch_size"] = asked.training.batch_size * asked.training.gradient_accumulation * num_processes
    return found


def _lines(lines: Iterator[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the readable lines of a log."""
    found: list[dict[str, Any]] = []
    with suppress(UserError):
        found.extend(lines)
    return found


def _epochs(run: RunDirectory) -> dict[str, int]:
    epochs = [line for line in _lines(run.read_metrics()) if line.get("kind") == "epoch"]
    numbers = {line["epoch"]: bool(line.get("best")) for line in epochs if isinstance(line.get("epoch"), int)}
    best = [number for number, is_best in numbers.items() if is_best]
    return ({"best_epoch": max(best)} if best else {}) | ({"num_epochs": max(numbers)} if numbers else {})


def _times(run: RunDirectory) -> dict[str, float | int | bool]:
    """Return the seconds of the epochs, each counted once, and the peak of memory over all lives of the run."""
    lines, seconds = _lines(run.read_timing()), run.seconds()
    peaks = [line["peak"] for line in lines if line.get("kind") == "memory" and isinstance(line.get("peak"), int)]
    found: dict[str, float | int | bool] = {"was_interrupted": any(line.get("kind") == "resumed" for line in lines)}
    if seconds is not None:
        found["seconds"] = seconds
    if peaks:
        found["peak_memory"] = max(peaks)
    return found
