"""Small runs of `train` in process, and ways to interrupt them."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from civility.data.prepare import PreparedData, prepare
from civility.errors import Interrupted
from civility.recipe import Recipe
from civility.run import Begin, RunDirectory
from civility.training.events import Event, Listener
from civility.training.train_run import train

SMALL: dict[str, Any] = {
    "model.revision": "",
    "data.max_length": 24,
    "training.epochs": 2,
    "training.batch_size": 8,
    "training.gradient_accumulation": 2,
    "training.learning_rate": 1e-3,
    "training.precision": "fp32",
    "training.device": "cpu",
    "training.log_every": 1,
    "training.checkpoint_steps": 2,
}


class Small:
    """A small training job: what to train on, and how."""

    def __init__(self, data: Path, model: Path) -> None:
        self.base = {**SMALL, "data.files": [str(data)], "model.name": str(model)}

    def recipe(self, **changes: Any) -> Recipe:
        """Return the recipe of the job, with changes on top: ``section__key=value``."""
        named = {key.replace("__", "."): value for key, value in changes.items()}
        return Recipe.load("baseline", {**self.base, **named})

    def prepare(self, recipe: Recipe) -> PreparedData:
        """Return the comments that the recipe names."""
        return prepare(recipe.wanted)

    def train(
        self, out: Path, *, begin: Begin = "new", listen: Listener = lambda event: None, **changes: Any
    ) -> RunDirectory:
        """Train."""
        recipe = self.recipe(**changes)
        return train(recipe, self.prepare(recipe), out, begin=begin, listen=listen)

    def interrupt(
        self, out: Path, when: Callable[[Event], bool], *, number: int = signal.SIGINT, **changes: Any
    ) -> str:
        """Train until a event, send this process the signal then, and return what it says at its end."""

        def listen(event: Event) -> None:
            if when(event):
                os.kill(os.getpid(), number)

        with pytest.raises(Interrupted) as stop:
            self.train(out, listen=listen, **changes)
        assert stop.value.signal_number == number
        return stop.value.message


@pytest.fixture(scope="session")
def small(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Small:
    """A job of two epochs of five steps: 72 comments and 8 for validation, steps of 16."""
    import csv

    from ..conftest import comment_rows

    path = tmp_path_factory.mktemp("small") / "comments.csv"
    rows = comment_rows(80)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return Small(path, tiny_bert)


@pytest.fixture(scope="session")
def whole(small: Small, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The job, done without an interruption."""
    return small.train(tmp_path_factory.mktemp("whole") / "run").path


@pytest.fixture(scope="session")
def stopped(small: Small, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The job, stopped by Ctrl-C after step 7 of 10: the checkpoints of steps 5 (the best), 6 and 7 are there."""
    from civility.engine.progress import StepDone

    out = tmp_path_factory.mktemp("stopped") / "run"
    small.interrupt(out, lambda event: isinstance(event, StepDone) and event.step == 7)
    return out
