"""RunDirectory: what a run leaves on disk. The only module that knows the names of its files."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from civility.data.files import explain_os_error, write_file
from civility.errors import UserError, did_you_mean

OWN_REPORT = "validation"
"""The name of the report that a run writes of itself, on its validation comments."""


@dataclass(frozen=True)
class RunDirectory:
    """The map of a run on disk.

    ::

        recipe.toml         what was asked, defaults written out
        environment.json    versions, commit, hardware, data digests, the command
        metrics.jsonl       a line a logged step and a line an epoch
        checkpoints/        step-000500/ …, the last and the best
        classifier/         the Hugging Face folder and civility.json
        reports/            validation.json, validation.md, …
    """

    path: Path

    @classmethod
    def at_free_place(cls, path: Path) -> "RunDirectory":
        """Return a run directory to be, where nothing is yet; nothing is written.

        Raises
        ------
        UserError : the path is a file, or a folder that holds something
        """
        with explain_os_error(path):
            if path.exists() and not path.is_dir():
                raise UserError(f"{path}: is a file", "choose another --out")
            if path.is_dir() and any(path.iterdir()):
                raise UserError(
                    f"{path}: exists and is not empty: a run never writes over another",
                    "choose another --out, or remove the folder",
                )
        return cls(path)

    def create(self) -> None:
        """Make the folders.

        Raises
        ------
        UserError : no permission, no space
        """
        with explain_os_error(self.path):
            for folder in (self.checkpoints, self.reports):
                folder.mkdir(parents=True, exist_ok=True)

    @classmethod
    def next_free(cls, parent: Path, name: str) -> Path:
        """Return ``parent/name``, or the first of ``parent/name-2``, ``parent/name-3``, … that is not taken."""
        path, number = parent / name, 1
        while path.exists():
            number += 1
            path = parent / f"{name}-{number}"
        return path

    @classmethod
    def find(cls, path: Path) -> "RunDirectory | None":
        """Return the run directory at ``path``, or None if there is none."""
        run = cls(path)
        return run if run.recipe.is_file() and run.environment.is_file() else None

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

    def checkpoint(self, step: int) -> Path:
        """Return the folder of the checkpoint after ``step`` optimiser steps."""
        return self.checkpoints / f"step-{step:06d}"

    def checkpoint_folders(self) -> list[Path]:
        """Return the complete checkpoints, the oldest first."""
        found = (p for p in self.checkpoints.glob("step-*") if p.is_dir() and p.name[5:].isdigit())
        return sorted(found, key=lambda p: int(p.name[5:]))

    def write_recipe(self, toml: str) -> None:
        """Write what was asked for."""
        with write_file(self.recipe) as file:
            file.write(toml)

    def write_environment(self, facts: Mapping[str, Any]) -> None:
        """Write where and on what the run ran."""
        with write_file(self.environment) as file:
            json.dump(facts, file, indent=2, ensure_ascii=False)
            file.write("\n")

    def read_environment(self) -> dict[str, Any]:
        """Return what `write_environment` wrote."""
        content: dict[str, Any] = json.loads(self.environment.read_text(encoding="utf-8"))
        return content

    def log_metrics(self, line: Mapping[str, Any]) -> None:
        """Append one line to the log; JSON has no NaN and no infinity, so they are written as null."""
        with explain_os_error(self.metrics), self.metrics.open("a", encoding="utf-8") as file:
            file.write(json.dumps(_finite(line), allow_nan=False) + "\n")

    def read_metrics(self) -> Iterator[dict[str, Any]]:
        """Yield the lines of the log."""
        with self.metrics.open(encoding="utf-8") as file:
            for line in file:
                yield json.loads(line)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


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
            raise UserError(f"{target}: the run holds no classifier: it did not reach its end", "train again")
        return str(run.classifier)
    if path.is_file():
        raise UserError(f"{target}: is a file", "name a run directory, a classifier folder or a hub repository")
    if not path.exists() and len(path.parts) > 1 and path.parent.is_dir():
        # A hub repository has a slash in its name too, but a folder of that owner's name is hardly here by chance.
        siblings = [str(other) for other in path.parent.iterdir() if other.is_dir()]
        raise UserError(
            f"{target}: no such folder{did_you_mean(target, siblings)}",
            f"a hub repository of this name can be named where no folder {path.parent} is",
        )
    return target
