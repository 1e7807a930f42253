"""RunDirectory: the files of a run on disk. Only `civility.run` knows their names."""

import contextlib
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from civility.documents.run_environment import ResumedSession, RunEnvironment
from civility.errors import UserError, did_you_mean_file
from civility.run.log import read_lines
from civility.run.report_paths import OWN_REPORT, ReportFiles
from civility.storage.atomic_files import PARTIAL, check_utf8, explain_os_error, make_folder, write_file
from civility.storage.lock import Lock, Owner, hold

if TYPE_CHECKING:
    from civility.recipe import Recipe

Begin = Literal["new", "resume", "restart"]
"""Train in an empty place; resume the run there; put that run aside and train in its place."""

_TO_VALIDATE = "-before-validation"
_NAMES = {
    *("recipe.toml", "environment.json", "metrics.jsonl", "timing.jsonl"),
    *("checkpoints", "classifier", "reports", "trackers"),
}
_WHOLE_PARTS = ("epoch", "fit")
"""Kinds of lines in the log of wall times that add up to the run: an encoder's epochs, a linear model's fit."""


@dataclass(frozen=True)
class RunDirectory:
    """The files of a run on disk.

    ::

        recipe.toml         the complete recipe, defaults included
        environment.json    versions, commit, hardware, data digests, the command; each session that resumed
        metrics.jsonl       one line for each logged step and each epoch
        timing.jsonl        wall time of steps, epochs, saves and resumed sessions
        checkpoints/        step-000500/ …: the last two and the best
        classifier/         the model and civility.json
        reports/            validation.json, validation.md, …

    While a run is being trained there is also a ``lock``.
    """

    path: Path

    # ------------------------------------------------------------------------------------------------- paths

    @property
    def recipe_file(self) -> Path:
        """The complete recipe, defaults included."""
        return self.path / "recipe.toml"

    @property
    def environment_file(self) -> Path:
        """Versions, commit, hardware, data digests, the command."""
        return self.path / "environment.json"

    @property
    def metrics(self) -> Path:
        """The log of steps and epochs."""
        return self.path / "metrics.jsonl"

    @property
    def timing(self) -> Path:
        """The log of wall times, which differ each time a run is trained."""
        return self.path / "timing.jsonl"

    @property
    def lock(self) -> Path:
        """The lock; there while a run is being trained."""
        return self.path / "lock"

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.path / "checkpoints"

    @property
    def classifier(self) -> Path:
        """The folder of the classifier, the last thing a run writes."""
        return self.path / "classifier"

    @property
    def reports(self) -> Path:
        """The folder of reports."""
        return self.path / "reports"

    @property
    def own_report(self) -> ReportFiles:
        """The report that the run wrote on its validation comments."""
        return ReportFiles(self.reports, OWN_REPORT)

    @property
    def trackers(self) -> Path:
        """The folder of trackers that write files; there only if one was asked for."""
        return self.path / "trackers"

    def checkpoint(self, step: int, *, to_validate: bool = False) -> Path:
        """Return the folder of the checkpoint after ``step`` optimizer steps.

        The end of an epoch has two checkpoints: one before its validation (``to_validate``) and one after it.
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
    def next_free(cls, parent: Path, name: str) -> Path:
        """Return ``parent/name``, or the first of ``parent/name-2``, ``parent/name-3``, … that does not exist."""
        path, number = parent / name, 1
        while path.exists():
            number += 1
            path = parent / f"{name}-{number}"
        return path

    @classmethod
    def newest(cls, parent: Path, name: str) -> Path:
        """Return the last of ``parent/name``, ``parent/name-2``, … before the one that `next_free` returns."""
        path, number = parent / name, 2
        while (following := parent / f"{name}-{number}").exists():
            path, number = following, number + 1
        return path

    # ------------------------------------------------------------------------------------------------- state

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
        return bool(self._entries())

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

    def _entries(self) -> set[str]:
        """Return the names in the directory, except the lock and partial files of killed writers."""
        with explain_os_error(self.path):
            if self.path.exists() and not self.path.is_dir():
                raise UserError("run.not-a-folder", "not a folder", where=self.path, remedy="choose another --out")
            names = {path.name for path in self.path.iterdir()} if self.path.is_dir() else set()
        return {name for name in names if not name.endswith(PARTIAL)} - {self.lock.name}

    def check_place(self, begin: Begin) -> None:
        """Raise a UserError if a run cannot begin here in this way. Reads names and ``environment.json`` only."""
        if begin == "restart":
            check_utf8(self.path, "choose another --out")
        if begin == "resume" or (begin == "restart" and self.is_occupied):
            self.check_resumable()
        if begin == "resume":
            RunEnvironment.read_to_replace(self.environment_file)  # a newer one is refused
        elif begin == "new":
            self.check_free()

    def check_free(self, *, is_resumable: bool = True) -> None:
        """Raise a UserError unless the directory is empty or absent, and has a name that a model can be written to.

        Parameters
        ----------
        is_resumable : whether the command has --resume and --restart
        """
        check_utf8(self.path, "choose another --out")
        if self._entries():
            remedy = "choose another --out, or remove the folder"
            if self.is_run and is_resumable:
                remedy = "--resume continues this run, --restart puts it aside; or choose another --out"
            found = "exists and is not empty: a run never overwrites another"
            raise UserError("run.not-empty", found, where=self.path, remedy=remedy)

    def check_resumable(self) -> None:
        """Raise a UserError unless a run has begun here, even if it was killed while writing its first files."""
        entries = self._entries()
        if not entries:
            remedy = "leave out --resume, or use --resume auto, to start a run"
            raise UserError("run.nothing-to-resume", "no run has begun here", where=self.path, remedy=remedy)
        if not entries <= _NAMES and not self.is_run:
            remedy = "give a run directory with --out"
            raise UserError("run.not-a-run", "not a run directory", where=self.path, remedy=remedy)

    def check_unfinished(self) -> None:
        """Raise a UserError if the run is finished."""
        if self.is_finished:
            found = "this run is finished: there is nothing to resume"
            raise UserError("run.finished", found, where=self.path, remedy="choose another --out")

    # ------------------------------------------------------------------------------------------------- reading

    def load_recipe(self, changes: Mapping[str, object] | None = None) -> "Recipe":
        """Return the recipe of the run, with changes as ``{"section.key": value}``."""
        from civility.recipe import Recipe  # here, since scoring finds the folder of a classifier without pyarrow

        return Recipe.load(str(self.recipe_file), changes)

    def environment(self, remedy: str = "") -> RunEnvironment:
        """Return where and on what the run ran.

        Raises
        ------
        UserError : missing or damaged; with the remedy given
        """
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

    # ------------------------------------------------------------------------------------------------- writing

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

    def put_aside(self) -> Path | None:
        """Rename the directory to ``NAME.before-N`` and return its new path; None if there is nothing to rename.

        Raises
        ------
        UserError : the folder holds something else, another process is writing to it, no permission
        """
        if not self.is_occupied:
            return None
        self.check_resumable()
        number = 1
        while (aside := self.path.with_name(f"{self.path.name}.before-{number}")).exists():
            number += 1
        with self.locked(), explain_os_error(self.path):
            self.path.rename(aside)
            (aside / self.lock.name).unlink()
        return aside

    def rename_damaged(self, checkpoint: Path) -> None:
        """Rename a damaged checkpoint, so that it is neither used nor in the way."""
        number = 1
        while (aside := checkpoint.with_name(f"damaged-{checkpoint.name}-{number}")).exists():
            number += 1
        with explain_os_error(checkpoint):
            checkpoint.rename(aside)


def classifier_folder(target: str) -> str:
    """Return the folder of a TARGET's classifier: inside a run directory, or the target itself.

    Raises
    ------
    UserError : the run has no classifier yet, or the target is a path to nothing
    """
    path = Path(target)
    run = RunDirectory.find(path)
    if run is not None:
        if not run.is_finished:
            found = "the run has no classifier yet: it was interrupted before its end"
            remedy = f"civility train --resume --out {target}"
            raise UserError("run.unfinished", found, where=target, remedy=remedy)
        return str(run.classifier)
    if missing := RunDirectory(path).missing:
        raise UserError(
            "run.incomplete",
            f"no {' and no '.join(missing)}: the run directory is incomplete",
            where=target,
            remedy=f"put back what is missing; or give the classifier alone: {RunDirectory(path).classifier}",
        )
    kinds = "a run directory, a classifier folder or a hub repository"
    if path.is_file():
        raise UserError("run.not-a-classifier", "a file", where=target, expected=kinds, remedy=f"give {kinds}")
    if not path.exists() and len(path.parts) > 1 and path.parent.is_dir():
        # Names of hub repositories have a slash too, but a folder with the owner's name is hardly here by chance.
        siblings = [other.name for other in path.parent.iterdir() if other.is_dir()]
        raise UserError(
            "run.no-such-folder",
            f"no such folder{did_you_mean_file(path.name, siblings)}",
            where=target,
            remedy="give a run directory or a classifier folder that exists. To load the hub model of that name, "
            f"run the command where no folder {path.parent} exists",
        )
    return target
