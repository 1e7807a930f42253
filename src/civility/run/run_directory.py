"""RunDirectory: the map of a run on disk. The only module that knows the names of its files."""

import contextlib
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from civility.errors import UserError, did_you_mean
from civility.run.log import read_lines
from civility.storage.atomic_files import PARTIAL, explain_os_error, make_folder, write_file
from civility.storage.lock import Lock, Owner, hold
from civility.storage.parsing import json_text, read_json

OWN_REPORT = "validation"
"""The name of the report that a run writes of itself, on its validation comments."""

Begin = Literal["new", "resume", "restart"]
"""Train where nothing is yet; go on with a run; put a run aside and begin again in its place."""

_TO_VALIDATE = "-before-validation"
_NAMES = {
    *("recipe.toml", "environment.json", "metrics.jsonl", "timing.jsonl"),
    *("checkpoints", "classifier", "reports", "trackers"),
}


@dataclass(frozen=True)
class RunDirectory:
    """The map of a run on disk.

    ::

        recipe.toml         what was asked, defaults written out
        environment.json    versions, commit, hardware, data digests, the command; each resumption
        metrics.jsonl       a line a logged step and a line an epoch
        timing.jsonl        wall time of the same, of saves and resumptions: what no run repeats to the bit
        checkpoints/        step-000500/ …, the last two and the best
        classifier/         the Hugging Face folder and civility.json
        reports/            validation.json, validation.md, …

    While a run is being trained there is also a ``lock``.
    """

    path: Path

    def check_place(self, begin: Begin) -> None:
        """Raise a UserError if a run cannot begin here in this way; only names are looked at."""
        if begin == "resume" or (begin == "restart" and self.is_begun):
            self.check_resumable()
        elif begin == "new":
            self.check_free()

    def check_free(self, *, can_go_on: bool = True) -> None:
        """Raise a UserError if the path is a file, or a folder that holds something.

        Parameters
        ----------
        can_go_on : whether who asks can go on with a run, or put it aside
        """
        if self._entries():
            remedy = "choose another --out, or remove the folder"
            if self.is_run and can_go_on:
                remedy = "--resume goes on with it, --restart puts it aside; or choose another --out"
            raise UserError(
                "run.todo", "exists and is not empty: a run never writes over another", where=self.path, remedy=remedy
            )

    def check_resumable(self) -> None:
        """Raise a UserError unless a run was begun here.

        What a run leaves that was killed while it wrote its first files counts as begun.
        """
        entries = self._entries()
        if not entries:
            raise UserError(
                "run.todo",
                "there is no run to go on with",
                where=self.path,
                remedy="leave out --resume, or say --resume auto, to start one",
            )
        if not entries <= _NAMES and not self.is_run:
            raise UserError(
                "run.todo",
                "is not the directory of a run",
                where=self.path,
                remedy="name the directory of a run with --out",
            )

    def check_unfinished(self) -> None:
        """Raise a UserError if the run is finished: there is nothing to resume."""
        if self.is_finished:
            raise UserError(
                "run.todo",
                "this run is finished: there is nothing to resume",
                where=self.path,
                remedy="choose another --out",
            )

    @property
    def is_begun(self) -> bool:
        """Whether anything is there already; a UserError if it is a file."""
        return bool(self._entries())

    def _entries(self) -> set[str]:
        """Return the names in the directory, but for the lock and the leftovers of writers that were killed."""
        with explain_os_error(self.path):
            if self.path.exists() and not self.path.is_dir():
                raise UserError("run.todo", "is not a folder", where=self.path, remedy="choose another --out")
            names = {path.name for path in self.path.iterdir()} if self.path.is_dir() else set()
        return {name for name in names if not name.endswith(PARTIAL)} - {self.lock.name}

    def put_aside(self) -> Path | None:
        """Rename the directory to ``NAME.before-N``, if it is there, and return its new place.

        Raises
        ------
        UserError : it is no run, is being written to, or may not be renamed
        """
        if not self.is_begun:
            return None
        self.check_resumable()
        number = 1
        while (aside := self.path.with_name(f"{self.path.name}.before-{number}")).exists():
            number += 1
        with self.locked(), explain_os_error(self.path):
            self.path.rename(aside)
            (aside / self.lock.name).unlink()
        return aside

    def create(self) -> None:
        """Make the directory, if it is not there.

        Raises
        ------
        UserError : no permission, no space
        """
        make_folder(self.path)

    def make_folders(self) -> None:
        """Make the folders in it, if they are not there; for who holds the lock.

        Raises
        ------
        UserError : no permission, no space
        """
        with explain_os_error(self.path):
            for folder in (self.checkpoints, self.reports):
                folder.mkdir(exist_ok=True)

    @classmethod
    def next_free(cls, parent: Path, name: str) -> Path:
        """Return ``parent/name``, or the first of ``parent/name-2``, ``parent/name-3``, … that is not taken."""
        path, number = parent / name, 1
        while path.exists():
            number += 1
            path = parent / f"{name}-{number}"
        return path

    @classmethod
    def newest(cls, parent: Path, name: str) -> Path:
        """Return the last of ``parent/name``, ``parent/name-2``, … in the row that `next_free` goes along."""
        path, number = parent / name, 2
        while (following := parent / f"{name}-{number}").exists():
            path, number = following, number + 1
        return path

    @classmethod
    def find(cls, path: Path) -> "RunDirectory | None":
        """Return the run directory at ``path``, or None if there is none."""
        run = cls(path)
        return run if run.is_run else None

    @property
    def is_run(self) -> bool:
        """Whether a run has written its first files here."""
        return self.recipe.is_file() and self.environment.is_file()

    @property
    def missing(self) -> tuple[str, ...]:
        """Which files by which a run is known are not there, though a classifier is; nothing of any other folder."""
        if not self.is_finished or any((self.path / name).is_file() for name in ("config.json", "civility.json")):
            return ()
        return tuple(path.name for path in (self.recipe, self.environment) if not path.is_file())

    @property
    def is_finished(self) -> bool:
        """Whether the run has reached its end: the classifier is the last thing that it writes."""
        return self.classifier.is_dir()

    @property
    def recipe(self) -> Path:
        """What was asked, defaults written out."""
        return self.path / "recipe.toml"

    @property
    def environment(self) -> Path:
        """Versions, commit, hardware, data digests, the command."""
        return self.path / "environment.json"

    @property
    def metrics(self) -> Path:
        """The log: a line a logged step and a line an epoch."""
        return self.path / "metrics.jsonl"

    @property
    def timing(self) -> Path:
        """The log of wall times, which no run repeats: a line a logged step, an epoch, a save, a resumption."""
        return self.path / "timing.jsonl"

    @property
    def lock(self) -> Path:
        """The lock; there while a run is being written."""
        return self.path / "lock"

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.path / "checkpoints"

    @property
    def classifier(self) -> Path:
        """The classifier, as a Hugging Face folder."""
        return self.path / "classifier"

    @property
    def reports(self) -> Path:
        """The folder of reports."""
        return self.path / "reports"

    @property
    def trackers(self) -> Path:
        """Where file-based trackers write; there only if one was asked for."""
        return self.path / "trackers"

    def checkpoint(self, step: int, *, to_validate: bool = False) -> Path:
        """Return the folder of the checkpoint after ``step`` optimiser steps.

        At the end of an epoch there are two places with the same number of steps: the validation of the epoch
        may still be to come (``to_validate``), or be done.
        """
        return self.checkpoints / f"step-{step:06d}{_TO_VALIDATE if to_validate else ''}"

    def before_validation(self, checkpoint: Path) -> Path:
        """Return the folder of the same step whose validation was still to come."""
        return checkpoint.with_name(checkpoint.name.removesuffix(_TO_VALIDATE) + _TO_VALIDATE)

    def checkpoint_folders(self) -> list[Path]:
        """Return the complete checkpoints, the oldest first."""
        found = {p: p.name.removeprefix("step-").removesuffix(_TO_VALIDATE) for p in self.checkpoints.glob("step-*")}
        folders = [p for p, step in found.items() if p.is_dir() and step.isdigit()]
        return sorted(folders, key=lambda p: (int(found[p]), not p.name.endswith(_TO_VALIDATE)))

    def set_aside(self, checkpoint: Path) -> None:
        """Rename a damaged checkpoint, so that it is neither used nor in the way, and can be looked at."""
        number = 1
        while (aside := checkpoint.with_name(f"damaged-{checkpoint.name}-{number}")).exists():
            number += 1
        with explain_os_error(checkpoint):
            checkpoint.rename(aside)

    def locked(self) -> contextlib.AbstractContextManager[tuple[Lock, Owner | None]]:
        """Hold the lock of the directory, which has to be there: see `civility.storage.lock.hold`."""
        return hold(self.lock)

    def remove_leftovers(self) -> None:
        """Remove what writers that were killed had not finished. Only for who holds the lock."""
        for folder in (self.path, self.checkpoints, self.reports):
            for path in folder.glob(f".*{PARTIAL}"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def write_recipe(self, toml: str) -> None:
        """Write what was asked for."""
        with write_file(self.recipe) as file:
            file.write(toml)

    def write_environment(self, facts: Mapping[str, Any]) -> None:
        """Write where and on what the run ran."""
        with write_file(self.environment) as file:
            file.write(json_text(facts))

    def read_environment(self, remedy: str = "") -> dict[str, Any]:
        """Return what `write_environment` wrote.

        Raises
        ------
        UserError : it is missing or damaged; with the remedy given
        """
        return read_json(self.environment, remedy, finite=False)  # no number of it is computed with

    def update_environment(self, life: Mapping[str, Any], fallback: Mapping[str, Any]) -> None:
        """Add a resumption to the environment; ``fallback`` stands in for one that is missing or damaged."""
        try:
            before = self.read_environment()
        except UserError:
            before = dict(fallback)
        lives = before.get("resumed")
        self.write_environment({**before, "resumed": [*(lives if isinstance(lives, list) else []), life]})

    def read_metrics(self) -> Iterator[dict[str, Any]]:
        """Yield the lines of the log."""
        return read_lines(self.metrics)

    def read_timing(self) -> Iterator[dict[str, Any]]:
        """Yield the lines of the log of wall times."""
        return read_lines(self.timing)


def classifier_folder(target: str) -> str:
    """Return where the classifier of a TARGET is: a run directory's own, or the target itself.

    Raises
    ------
    UserError : the run has no classifier yet, or the target is a path and nothing is there
    """
    path = Path(target)
    run = RunDirectory.find(path)
    if run is not None:
        if not run.classifier.is_dir():
            raise UserError(
                "run.todo",
                "the run holds no classifier: it did not reach its end",
                where=target,
                remedy=f"civility train --resume --out {target}",
            )
        return str(run.classifier)
    if missing := RunDirectory(path).missing:
        raise UserError(
            "run.todo",
            f"no {' and no '.join(missing)}: not a whole run directory, though a classifier is in it",
            where=target,
            remedy=f"put {'it' if len(missing) == 1 else 'them'} back; or name the classifier alone: "
            f"{path / 'classifier'}",
        )
    if path.is_file():
        raise UserError(
            "run.todo",
            "is a file",
            where=target,
            remedy="name a run directory, a classifier folder or a hub repository",
        )
    if not path.exists() and len(path.parts) > 1 and path.parent.is_dir():
        # A hub repository has a slash in its name too, but a folder of that owner's name is hardly here by chance.
        siblings = [str(other) for other in path.parent.iterdir() if other.is_dir()]
        raise UserError(
            "run.todo",
            f"no such folder{did_you_mean(target, siblings)}",
            where=target,
            remedy=f"name a run or classifier folder that exists; a model of the hub called {target} "
            f"can be loaded where no folder {path.parent} is",
        )
    return target
