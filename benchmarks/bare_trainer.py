"""The trainer of `civility train` without the command around it, for benchmarks of one part of it.

How fast the command trains is measured by train_speed.py, which starts it.
"""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import torch

from civility.data.prepare import PreparedData
from civility.documents.checkpoint_state import Progress
from civility.engine.loop import Trainer
from civility.engine.progress import StepDone, Validation
from civility.models.encoder import load_encoder
from civility.recipe import Recipe
from civility.run import RunDirectory
from civility.training.build import start_devices
from civility.training.build_trainer import build_trainer, tokenise_comments
from civility.training.resume import EarlierChoices


def civility_trainer(model: str, data: PreparedData, changes: Mapping[str, object]) -> Trainer:
    """Return the trainer that `civility train baseline` makes of a model, comments and settings."""
    os.environ["CIVILITY_CACHE"] = "off"  # neither read from it nor fill it
    # As many threads as the others have: what a probe finds is another matter.
    recipe = Recipe.load("baseline", {"model.name": model, "training.threads": torch.get_num_threads(), **changes})
    run = RunDirectory(Path(tempfile.gettempdir()) / "unused")  # without a tracker nothing is written
    accelerator, precision, _ = start_devices(recipe, run, tracker="", threads_before=0)
    tokens = tokenise_comments(recipe, data, accelerator)
    encoder = load_encoder(model, data.training.labels, seed=recipe.seed, tokenizer=tokens.tokenizer)
    trainer, _ = build_trainer(recipe, data, tokens, encoder, accelerator, precision, EarlierChoices())
    return trainer


def take_steps(trainer: Trainer, num_steps: int) -> list[StepDone]:
    """Take this many steps from the beginning of a run, at most those of its first epoch."""
    trainer.progress = Progress()
    run = trainer.run(lambda: Validation(0.0, {}, 0.0))
    facts: list[StepDone] = []
    while len(facts) < num_steps:
        fact = next(run)
        assert isinstance(fact, StepDone)
        facts.append(fact)
    return facts
