"""RunDirectory: the files of a run on disk. Only `civility.run` knows their names."""

import contextlib
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from civility.documents.run_environment import ResumedSession, RunEnvironment
from civility.errors import UserError
from civility.run.log import read_lines
from civility.storage.atomic_files import PARTIAL, check_utf8, explain_os_error, make_folder, write_file
from civility.storage.lock import Lock, Owner, hold

if TYPE_CHECKING:
    from civility.recipe import Recipe

OWN_REPORT = "validation"
"""The name of the report that a run writes on its validation comments."""

_TO_VALIDATE = "-before-validation"
_WHOLE_PARTS = ("epoch", "fit")
"""Kinds of lines in the log of wall times that add up to the run: an encoder's epochs, a linear model's fit."""


@dataclass(frozen=True)
class Inside:
    """An attribute of a class with a ``path``: the path of this name inside it."""

    name: str

    def __get__(self, folder: Any, kind: type) -> Path:
        return Path(folder.path, self.name)


@dataclass(frozen=True)
class _Named:
    """An attribute of `ReportFiles`: the path of the file with this ending."""

    ending: str

    def __get__(self, files: "ReportFiles", kind: type) -> Path:
        return files.folder / f"{files.name}{self.ending}"


@dataclass(frozen=True)
class ReportFiles:
    """The files of a report, all in one folder: ``NAME.json`` and so on."""

    folder: Path
    name: str
    json = _Named(".json")  # the numbers, from which everything else is drawn
    markdown = _Named(".md")
    html = _Named(".html")
    scores = _Named(".scores.parquet")  # ids, targets and scores of the comments
    plots = _Named("-plots")  # a folder of SVG files


@dataclass(frozen=True)
class RunDirectory:
    """The files of a run on disk.

    ::

        recipe_file         recipe.toml         the complete recipe, defaults included
        environment_file    environment.json    versions, commit, hardware, data digests, the command; later sessions
        metrics             metrics.jsonl       one line for each logged step and each epoch
        timing              timing.jsonl        wall time of steps, epochs, saves and resumed sessions
        checkpoints         checkpoints/        step-000500/ …: the last two and the best
        classifier          classifier/         the model and civility.json; the last thing a run writes
        reports             reports/            validation.json, validation.md, …
        trackers            trackers/           what a tracker writes, if one was asked for
        profile             profile/            where the time of steps goes, if `--profile` asked for it
        lock                lock                there while a run is being trained
    """

    path: Path

    recipe_file = Inside("recipe.toml")
    environment_file = Inside("environment.json")
    metrics = Inside("metrics.jsonl")
    timing = Inside("timing.jsonl")
    checkpoints = Inside("checkpoints")
    classifier = Inside("classifier")
    reports = Inside("reports")
    trackers = Inside("trackers")
    profile = Inside("profile")
    lock = Inside("lock")

    @property
    def own_report(self) -> ReportFiles:
        """The report that the run wrote on its validation comments."""
        return ReportFiles(self.reports, OWN_REPORT)

    def checkpoint(self, step: int, *, to_validate: bool = False) -> Path:
        """Return the folder of the checkpoint after ``step`` optimizer steps.

        The end of an epoch has two: one before its validation (``to_validate``) and one after it.
        """
        return self.checkpoints / f"step-{step:06d}{_TO_VALIDATE if to_validate else ''}"

    def before_validation(self, checkpoint: Path) -> Path:
        """Return the folder of the checkpoint of the same step before its validation."""
        return checkpoint.with_name(checkpoint.name.removesuffix(_TO_VALIDATE) + _TO_VALIDATE)

    def checkpoint_folders(self) -> list[Path]:
        """Return the complete checkpoints, oldest first."""
        found = {p: p.name.removeprefix("step-").removesuffix(_TO_VALIDATE) for p in self.checkpoints.glob("step-*")}
        folders = [p for p, step in found.items() if p.is_dir() and step.isdigit()]
        return sorted(folders, key=lambda p: (int(found[p]), not p.name.endswith(_TO_VALIDATE)))

    @classmethod
    def find(cls, path: Path) -> "RunDirectory | None":
        """Return the run directory at ``path``, or None if ``path`` is something else."""
        run = cls(path)
        return run if run.is_run else None

    @property
    def is_run(self) -> bool:
        """Whether a run has written its first files here."""
        return self.recipe_file.is_file() and self.environment_file.is_file()

    @property
    def is_occupied(self) -> bool:
        """Whether the directory holds anything; a UserError if it is a file."""
        return bool(self.entries())

    @property
    def is_finished(self) -> bool:
        """Whether the run has written its classifier."""
        return self.classifier.is_dir()

    @property
    def missing(self) -> tuple[str, ...]:
        """The names of first files that are missing beside a classifier; empty for any other folder."""
        if not self.is_finished or any((self.path / name).is_file() for name in ("config.json", "civility.json")):
            return ()
        return tuple(path.name for path in (self.recipe_file, self.environment_file) if not path.is_file())

    def entries(self) -> set[str]:
        """Return the names in the directory, except the lock and partial files of killed writers."""
        with explain_os_error(self.path):
            if self.path.exists() and not self.path.is_dir():
                raise UserError("run.not-a-folder", "not a folder", where=self.path, remedy="choose another --out")
            names = {path.name for path in self.path.iterdir()} if self.path.is_dir() else set()
        return {name for name in names if not name.endswith(PARTIAL)} - {self.lock.name}

    def check_free(self, *, is_resumable: bool = True) -> None:
        """Raise a UserError unless the directory is empty or absent, and has a name that a model can be written to.

        ``is_resumable``: whether the command has --resume and --restart.
        """
        check_utf8(self.path, "choose another --out")
        if self.entries():
            remedy = "choose another --out, or remove the folder"
            if self.is_run and is_resumable:
                remedy = "--resume continues this run, --restart puts it aside; or choose another --out"
            found = "exists and is not empty: a run never overwrites another"
            raise UserError("run.not-empty", found, where=self.path, remedy=remedy)

    def load_recipe(self, changes: Mapping[str, object] | None = None) -> "Recipe":
        """Return the recipe of the run, with changes as ``{"section.key": value}``."""
        from civility.recipe import Recipe  # here, since scoring finds the folder of a classifier without pyarrow

        return Recipe.load(str(self.recipe_file), changes)

    def environment(self, remedy: str = "") -> RunEnvironment:
        """Return where and on what the run ran; a UserError with the remedy given if the file is missing or damaged."""
        return RunEnvironment.read(self.environment_file, remedy)

    def read_metrics(self) -> Iterator[dict[str, Any]]:
        """Yield the lines of the log of steps and epochs."""
        return read_lines(self.metrics)

    def read_timing(self) -> Iterator[dict[str, Any]]:
        """Yield the lines of the log of wall times."""
        return read_lines(self.timing)

    def seconds(self) -> float | None:
        """Return the wall time of training and validation, each epoch counted once; None if nothing is logged."""
        seconds: dict[Any, float] = {}
        with contextlib.suppress(UserError):  # a damaged log counts as far as it can be read
            for line in self.read_timing():
                if line.get("kind") in _WHOLE_PARTS and isinstance(line.get("seconds"), int | float):
                    seconds[line.get("step")] = line["seconds"]
        return float(sum(seconds.values())) if seconds else None

    def create(self) -> None:
        """Make the directory if it does not exist; UserError without permission or space."""
        make_folder(self.path)

    def make_folders(self) -> None:
        """Make the folders of checkpoints and reports. Call it while holding the lock."""
        with explain_os_error(self.path):
            for folder in (self.checkpoints, self.reports):
                folder.mkdir(exist_ok=True)

    def locked(self) -> contextlib.AbstractContextManager[tuple[Lock, Owner | None]]:
        """Hold the lock of the directory, which must exist: see `civility.storage.lock.hold`."""
        return hold(self.lock)

    def write_first_files(self, recipe: "Recipe", environment: RunEnvironment) -> None:
        """Write the recipe and the environment: what makes the directory a run."""
        with write_file(self.recipe_file) as file:
            file.write(recipe.to_toml())
        self.write_environment(environment)

    def write_environment(self, environment: RunEnvironment) -> None:
        """Write where and on what the run ran."""
        with write_file(self.environment_file) as file:
            file.write(environment.to_json())

    def add_session(self, session: ResumedSession, fallback: RunEnvironment) -> UserError | None:
        """Add a session that resumes the run.

        ``fallback`` replaces an environment that is missing or damaged. Return what is wrong with it, or None.
        """
        found = RunEnvironment.read_to_replace(self.environment_file)
        before = fallback if isinstance(found, UserError) else found
        self.write_environment(before.model_copy(update={"resumed": (*before.resumed, session)}))
        return found if isinstance(found, UserError) else None

    def remove_leftovers(self) -> None:
        """Remove partial files of killed writers. Call it while holding the lock."""
        for folder in (self.path, self.checkpoints, self.reports):
            for path in folder.glob(f".*{PARTIAL}"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def rename_damaged(self, checkpoint: Path) -> None:
        """Rename a damaged checkpoint, so that it is neither used nor in the way."""
        number = 1
        while (aside := checkpoint.with_name(f"damaged-{checkpoint.name}-{number}")).exists():
            number += 1
        with explain_os_error(checkpoint):
            checkpoint.rename(aside)


NAMES = frozenset(entry.name for entry in vars(RunDirectory).values() if isinstance(entry, Inside))
"""The names in a run directory."""
