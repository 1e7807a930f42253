"""Trainers with parts of ``[regularization]`` on, wired as a run wires them, over a few made-up comments."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from civility.engine.devices import MixedPrecision, start_accelerator
from civility.engine.loop import Trainer, TrainingData, TrainingPlan
from civility.engine.loss import build_loss, positive_share
from civility.engine.optimizer import build_adamw
from civility.engine.progress import StepDone, Validation
from civility.engine.step_plan import BatchShape
from civility.models.dropout import override_dropout
from civility.models.encoder import Encoder, load_encoder
from civility.models.forward_paths import EagerForward
from civility.models.layers import freeze
from civility.models.packed_forward import PackedForward
from civility.models.tokenizer import tokenise
from civility.models.vocabulary import give_back_whole, ids_in_use, keep_in_use
from civility.recipe import Recipe
from civility.training.build_optimizer import average_of, optimizer_of, regularizers_of

from ..schedules import linear_schedule

LABELS = ("toxic", "threat")
TEXTS = [f"{'stupid clown' if i % 3 else 'nice garden'} film {'fool ' * (i % 7)}" for i in range(30)]
TARGETS = np.array([[i % 3 > 0, i % 5 == 0] for i in range(30)], dtype=np.float32)
TARGETS[::7, 1] = np.nan
RATE, EPOCHS = 5e-3, 2

PARTS: dict[str, dict[str, Any]] = {
    "ema": {"average": "ema", "ema_decay": 0.9},
    "swa": {"average": "swa", "swa_start": 0.3},
    "unfreezing": {"unfreeze_fraction": 0.8},
    "r_drop": {"r_drop": 1.0},
    "fgm": {"adversarial": "fgm", "adversarial_size": 0.5, "adversarial_start": 0.3},
    "all": {
        "average": "ema",
        "unfreeze_fraction": 0.5,
        "r_drop": 1.0,
        "adversarial": "fgm",
    },
}


def recipe_of(part: dict[str, Any], **more: Any) -> Recipe:
    changes: dict[str, Any] = {f"regularization.{key}": value for key, value in part.items()}
    return Recipe.load("baseline", {"seed": 5, **changes, **more})


def build(
    folder: Path,
    part: dict[str, Any],
    *,
    in_use: bool = False,
    accumulation: int = 1,
    packed: bool = False,
    batch_size: int = 8,
    epochs: int = EPOCHS,
    warmup: float = 0.1,
    decay: float = 0.1,
    precision: MixedPrecision | None = None,
    freeze_layers: int = 0,
    settings: dict[str, Any] | None = None,
) -> tuple[Encoder, Trainer]:
    """Build a small job; with ``settings`` of a recipe, what they say of optimizer and groups is heeded too."""
    recipe = recipe_of(part, **{"training.freeze_layers": freeze_layers, **(settings or {})})
    encoder = load_encoder(str(folder), LABELS, seed=3)
    model, tokens = encoder.model, tokenise(encoder.tokenizer, TEXTS, 32)
    drop = recipe.regularization
    override_dropout(model, hidden=drop.dropout, attention=drop.attention_dropout, head=drop.head_dropout)
    freeze(model, embeddings=recipe.training.freeze_embeddings, num_layers=recipe.training.freeze_layers)
    vocabulary = keep_in_use(model, ids_in_use(tokens)) if in_use else None
    shape = BatchShape.of(batch_size // accumulation, accumulation)
    optimizer: torch.optim.Optimizer = build_adamw(model, weight_decay=decay, betas=(0.9, 0.999), epsilon=1e-6)
    if settings is not None:
        optimizer = optimizer_of(recipe, model)
    trainer = Trainer(
        start_accelerator("cpu", [], None),
        model,
        PackedForward(model) if packed else EagerForward(model),
        optimizer,
        precision or MixedPrecision.of("fp32", "cpu"),
        TrainingData(tokens, TARGETS),
        build_loss("weighted_bce", positive_share(TARGETS), 1.0),
        TrainingPlan(
            epochs=epochs,
            schedule=linear_schedule(RATE, warmup, epochs * shape.num_steps(len(TEXTS))),
            max_gradient_norm=1.0,
            seed=5,
            group_by_length=True,
        ),
        shape,
        vocabulary=vocabulary,
        regularizers=regularizers_of(recipe, model),
        average=average_of(recipe, model, optimizer),
    )
    return encoder, trainer


def no_validation() -> Validation:
    return Validation(0.0, dict.fromkeys(LABELS, 0.5), 0.5)


def steps_of(some: Trainer) -> Iterator[StepDone]:
    return (event for event in some.run(no_validation) if isinstance(event, StepDone))


def raw(some: Trainer) -> dict[str, torch.Tensor]:
    """Return a copy of the weights that are trained."""
    return {name: tensor.clone() for name, tensor in some.model.state_dict().items()}


def validated(some: Trainer) -> dict[str, torch.Tensor]:
    """Return a copy of the weights that are validated."""
    return {**raw(some), **{name: tensor.clone() for name, tensor in (some.average or _None()).weights().items()}}


class _None:
    def weights(self) -> dict[str, torch.Tensor]:
        return {}


def whole(some: Trainer, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return weights with all rows of the token embedding."""
    model = copy.deepcopy(some.model)
    model.load_state_dict(weights)
    give_back_whole(model)
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def largest_difference(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> float:
    assert first.keys() == second.keys()
    return max((first[name] - second[name]).abs().max().item() for name in first)
