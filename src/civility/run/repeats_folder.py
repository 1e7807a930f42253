"""Repeats: one recipe trained several times, with other seeds or on the folds of its data, in folders of one place."""

import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from civility.documents.repeats_summary import RepeatsSummary
from civility.errors import UserError
from civility.recipe import Recipe
from civility.run.place import Begin
from civility.run.run_directory import Inside, ReportFiles, RunDirectory
from civility.storage.atomic_files import check_utf8

_RUN = re.compile(r"(seed|fold)-(\d+)")
_MOST_SEEDS, _MOST_FOLDS = 1000, 100


@dataclass(frozen=True)
class Repeat:
    """One of the runs: the name of its folder, and its recipe."""

    name: str
    recipe: Recipe


def repeats_with_seeds(recipe: Recipe, num: int) -> tuple[Repeat, ...]:
    """Return ``num`` repeats with consecutive seeds, from the recipe's seed up, on one split.

    Raises
    ------
    UserError : a linear model, a number outside 2 to 1000, a seed beyond 2^32 - 1, or a recipe of a fold
    """
    if recipe.is_linear:
        found = "--seeds with a linear model: no seed affects how it is fitted, so all runs would be the same"
        remedy = "--folds 5 shows how much the result depends on the comments"
        raise UserError("run.linear-seeds", found, remedy=remedy)
    _check_number("--seeds", num, _MOST_SEEDS)
    if recipe.seed + num > 2**32:
        found = f"{num} seeds from there would exceed {2**32 - 1}"
        raise UserError("run.repeats-number", found, where=f"seed = {recipe.seed}", remedy="--set seed=42")
    if recipe.data.folds:
        raise _both("--seeds", "data.folds")
    split_seed = recipe.data.split_seed if recipe.data.split_seed >= 0 else recipe.seed
    data = recipe.data.model_copy(update={"split_seed": split_seed})
    seeds = range(recipe.seed, recipe.seed + num)
    return tuple(Repeat(f"seed-{seed}", recipe.model_copy(update={"seed": seed, "data": data})) for seed in seeds)


def repeats_on_folds(recipe: Recipe, num: int) -> tuple[Repeat, ...]:
    """Return ``num`` repeats, each validated on one fold and trained on the others.

    Raises
    ------
    UserError : a number outside 2 to 100, or one that differs from the recipe's
    """
    _check_number("--folds", num, _MOST_FOLDS)
    if recipe.data.folds not in (0, num):
        found = f"--folds {num}, but data.folds = {recipe.data.folds}"
        raise UserError("run.repeats-number", found, remedy="give the same number twice, or only one of them")
    folds = {fold: recipe.data.model_copy(update={"folds": num, "fold": fold}) for fold in range(1, num + 1)}
    return tuple(Repeat(f"fold-{fold}", recipe.model_copy(update={"data": data})) for fold, data in folds.items())


def refuse_seeds_with_folds(num_seeds: int, num_folds: int) -> None:
    """Raise a UserError if both seeds and folds are asked for."""
    if num_seeds and num_folds:
        raise _both("--seeds", "--folds")


def _both(first: str, other: str) -> UserError:
    found = f"{first} together with {other}: repeats with seeds share one split, and each fold has its own"
    remedy = "choose one; for both, repeat the command with --folds, --set seed=43 and another --out"
    return UserError("run.seeds-and-folds", found, remedy=remedy)


def _check_number(option: str, num: int, most: int) -> None:
    if not 2 <= num <= most:
        remedy = f"leave out {option} for a single run; 5 or 10 are usual"
        raise UserError("run.repeats-number", f"{option} {num}", expected=f"2 to {most:,}", remedy=remedy)


@dataclass(frozen=True)
class RepeatsFolder:
    """The folder of repeats.

    ::

        seed-42/ … or fold-1/ …    the run directories
        summary.json               each metric's mean and standard deviation over the runs
        out-of-fold.parquet        with folds: every comment, scored by the run that was not trained on it
        report.json, …             with folds: the report on these scores
    """

    path: Path
    summary = Inside("summary.json")
    out_of_fold = Inside("out-of-fold.parquet")

    def run(self, repeat: Repeat) -> RunDirectory:
        """Return the directory of one run."""
        return RunDirectory(self.path / repeat.name)

    @property
    def report(self) -> ReportFiles:
        """The report on the out-of-fold scores."""
        return ReportFiles(self.path, "report")

    def seed_runs(self) -> list[RunDirectory]:
        """Return the runs with seeds, by seed."""
        return self._runs("seed")

    def missing_seed_runs(self) -> tuple[str, ...]:
        """Return the names of the runs with seeds that were planned but are not there.

        The summary names the planned runs once all are finished; before, the recorded commands have their number.
        """
        runs = self.seed_runs()
        if not runs:
            return ()
        planned: set[str] = set()
        with contextlib.suppress(UserError):  # not finished, or damaged
            planned.update(RepeatsSummary.read(self.summary).runs)
        lowest = int(runs[0].path.name.removeprefix("seed-"))
        for run in runs:
            with contextlib.suppress(UserError):
                planned.update(f"seed-{lowest + i}" for i in range(_num_seeds(run.environment().command)))
        missing = {name for name in planned if _RUN.fullmatch(name)} - {run.path.name for run in runs}
        return tuple(sorted(missing, key=lambda name: int(name.partition("-")[2])))

    def fold_runs(self) -> list[RunDirectory]:
        """Return the runs on folds, by fold."""
        return self._runs("fold")

    def _runs(self, kind: str) -> list[RunDirectory]:
        found = {path: match for path in self.path.glob(f"{kind}-*") if (match := _RUN.fullmatch(path.name))}
        return [RunDirectory(path) for path in sorted(found, key=lambda path: int(found[path][2])) if path.is_dir()]

    def first_run(self) -> RunDirectory | None:
        """Return the run with the lowest seed, or on the first fold, that has a recipe; None if there is none."""
        return next((run for run in (*self.seed_runs(), *self.fold_runs()) if run.recipe_file.is_file()), None)

    def check_place(self, begin: Begin) -> None:
        """Raise a UserError if repeats cannot begin in this folder in this way. Reads names and the summary only."""
        place = RunDirectory(self.path)
        if begin == "restart":
            found = "--restart with --seeds or --folds: repeats are never put aside"
            raise UserError("run.repeats-restart", found, remedy="choose another --out, or use --resume")
        if begin == "new":
            check_utf8(self.path, "choose another --out")
            if place.is_occupied:
                found = "exists and is not empty: a run never overwrites another"
                remedy = "--resume continues the runs there; or choose another --out"
                raise UserError("run.not-empty", found, where=self.path, remedy=remedy)
            return
        if not place.is_occupied:
            remedy = "leave out --resume, or use --resume auto, to start them"
            raise UserError("run.nothing-to-resume", "no runs have begun here", where=self.path, remedy=remedy)
        if place.is_run:
            found = "a single run, not a folder of repeats"
            raise UserError("run.other-repeats", found, where=self.path, remedy="choose another --out")
        RepeatsSummary.read_to_replace(self.summary)  # a newer one is refused

    def check_kind(self, repeats: Sequence[Repeat]) -> None:
        """Raise a UserError if the folder holds folds and the repeats have seeds, or the other way round."""
        kinds = {repeat.name.partition("-")[0] for repeat in repeats}
        others = [run.path.name for kind in ("seed", "fold") if kind not in kinds for run in self._runs(kind)]
        if others:
            found = f"holds {others[0]}, so it is not the folder of runs named {' or '.join(sorted(kinds))}-…"
            remedy = "choose another --out: seeds and folds have a summary each"
            raise UserError("run.other-repeats", found, where=self.path, remedy=remedy)


def _num_seeds(command: Sequence[str]) -> int:
    """Return the number of seeds in a recorded command; 0 without one."""
    found = re.search(r"\0--seeds[\0=](\d{1,4})\0", "\0".join(("", *command, "")))
    return min(int(found[1]), _MOST_SEEDS) if found else 0


def is_seed_folder(path: Path) -> bool:
    """Whether a folder is named as that of a repeat with a seed."""
    match = _RUN.fullmatch(path.name)
    return match is not None and match[1] == "seed"
