"""Small sweeps of a tiny model, in process."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from civility.documents.sweep_result import SweepResult
from civility.recipe import Recipe
from civility.search.run_sweep import CommentCache, SweepTask, number_of_trials, sweep
from civility.search.space import read_space
from civility.search.sweep_directory import SweepDirectory

SMALL: dict[str, Any] = {
    "model.revision": "",
    "data.max_length": 24,
    "data.validation": 0.2,
    "data.split_seed": 1,
    "training.epochs": 2,
    "training.batch_size": 32,
    "training.learning_rate": 5e-3,
    "training.precision": "fp32",
    "training.device": "cpu",
    "training.checkpoint_steps": 1,
}
RATES = '[sweep]\nsampler = "random"\n[space]\n"training.learning_rate" = {low = 1e-3, high = 1e-2, log = true}\n'


class Small:
    """A small sweep: its data, model, recipe and space."""

    def __init__(self, folder: Path, data: Path, model: Path) -> None:
        self.folder, self.data, self.model = folder, data, model

    def recipe(self, **changes: Any) -> Recipe:
        """Return the recipe of all trials, with changes on top: ``section__key=value``."""
        named = {key.replace("__", "."): value for key, value in changes.items()}
        own = {"data.files": [str(self.data)], "model.name": str(self.model)}
        return Recipe.load("baseline", {**SMALL, **own, **named})

    def space_file(self, text: str = RATES) -> Path:
        """Write a space file."""
        path = self.folder / "space.toml"
        path.write_text(text, encoding="utf-8")
        return path

    def task(self, name: str = "sweep", text: str = RATES, *, trials: int | None = 2, **changes: Any) -> SweepTask:
        """Return what a sweep is asked to do."""
        recipe = self.recipe(**changes)
        space = read_space(self.space_file(text), recipe)
        directory = SweepDirectory(self.folder / name)
        return SweepTask(
            recipe, space, directory, number_of_trials(trials, space), command=("civility", "sweep", "starter")
        )

    def sweep(
        self,
        task: SweepTask,
        listen: Callable[[SweepResult], None] = lambda result: None,
        comments: CommentCache | None = None,
    ) -> SweepResult:
        """Run a sweep as its only worker."""
        return sweep(task, comments or CommentCache(), listen=listen)

    def arguments(self, out: Path, space: Path, trials: int) -> list[str]:
        """Return the same sweep as a command line."""
        settings = [f"--set={key}={value}" for key, value in SMALL.items() if key != "model.revision"]
        named = ["--data", str(self.data), "--model", str(self.model), "--space", str(space)]
        return ["sweep", "baseline", *named, "--trials", str(trials), "--out", str(out), *settings]


@pytest.fixture
def small(tiny_bert: Path, tmp_path: Path) -> Small:
    """A sweep whose trials take two epochs of four steps on 128 comments, and 32 for validation."""
    from ..conftest import comment_rows

    path = tmp_path / "comments.csv"
    rows = comment_rows(160)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return Small(tmp_path, path, tiny_bert)
