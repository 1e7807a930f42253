"""Optimizer, weight averages and regularizers of a recipe; settings that conflict; the memory that they need."""

import importlib.util
from dataclasses import dataclass
from typing import Any

import torch

from civility.engine.muon import build_muon
from civility.engine.optimizer import averaged_weights, build_adafactor, build_adamw, build_schedule_free
from civility.engine.parameter_groups import parameter_groups
from civility.engine.regularizers import Adversary, GradualUnfreezing, Regularizers
from civility.engine.weight_averaging import Average, ComputedWeights, WeightAverage, names_to_average
from civility.errors import UserError
from civility.models.layers import embeddings_of, layers_of
from civility.recipe import Recipe

FLOAT_BYTES = 4
"""Of a float32: a weight, its gradient, a moment."""

_WHOLE = {
    "adafactor": "Adafactor measures the matrix as a whole",
    "schedule_free": "schedule-free AdamW averages every row",
}


def refuse_conflicts(recipe: Recipe) -> None:
    """Raise a UserError for settings that conflict, before anything is loaded."""
    settings, more = recipe.training, recipe.regularization
    is_free, free = settings.optimizer == "schedule_free", 'training.optimizer = "schedule_free"'
    is_frozen = settings.freeze_embeddings or settings.freeze_layers
    conflicts = [
        (
            more.average != "none" and is_free,
            f'regularization.average = "{more.average}" with {free}: the optimizer averages by itself, and its average '
            "is what is validated",
            'set regularization.average to "none", or choose another optimizer',
        ),
        (
            more.adversarial == "fgm" and is_frozen,
            'regularization.adversarial = "fgm" moves the token embedding, which is frozen '
            "(training.freeze_embeddings or training.freeze_layers)",
            'set regularization.adversarial to "none", or train the embeddings',
        ),
        (
            is_free and settings.schedule != "constant",
            f'{free} with training.schedule = "{settings.schedule}": it averages weights in place of a decay of the '
            "learning rate",
            '--set training.schedule=constant, with a warm-up; or choose "adamw"',
        ),
        (
            # Its correction of the mean of squared gradients counts the steps of a group, not of a parameter: what is
            # unfrozen at step k would take steps up to sqrt((1 - beta2 ** k) / (1 - beta2)) times too large.
            is_free and more.unfreeze_fraction,
            f"{free} with regularization.unfreeze_fraction = {more.unfreeze_fraction}: layers that are unfrozen later "
            "would take steps many times too large",
            "--set regularization.unfreeze_fraction=0, or choose another optimizer",
        ),
        (
            is_free and not settings.adam_beta1,
            f"{free} with training.adam_beta1 = 0: its average would have no weight",
            "--set training.adam_beta1=0.9",
        ),
    ]
    for is_met, found, remedy in conflicts:
        if is_met:
            raise UserError("training.conflicting-settings", found, remedy=remedy)
    if is_free and importlib.util.find_spec("schedulefree") is None:
        found = f"{free} needs the package schedulefree, which is not installed"
        raise UserError("training.missing-package", found, remedy="pip install 'civility[train]'")


def why_whole_embedding(recipe: Recipe) -> str:
    """Return why the optimizer needs every row of the token embedding; empty if those in use are enough."""
    return _WHOLE.get(recipe.training.optimizer, "")


def optimizer_of(recipe: Recipe, model: Any) -> torch.optim.Optimizer:
    """Build the optimizer of a recipe over the trainable parameters of a model, where they are now.

    Raises
    ------
    UserError : the layers of the model are unknown and the recipe needs them; or Muon has none to train
    """
    settings, more = recipe.training, recipe.optimizer
    betas, epsilon = (settings.adam_beta1, settings.adam_beta2), settings.adam_epsilon
    decay, decay_on = settings.weight_decay, settings.weight_decay_on
    layer_decay = recipe.regularization.layer_decay
    if settings.optimizer == "adamw":
        return build_adamw(
            model, weight_decay=decay, betas=betas, epsilon=epsilon, decay_on=decay_on, layer_decay=layer_decay
        )
    groups = parameter_groups(model, weight_decay=decay, decay_on=decay_on, layer_decay=layer_decay)
    if settings.optimizer == "adafactor":
        return build_adafactor(groups, beta2_decay=more.adafactor_beta2_decay, clip=more.adafactor_clip)
    if settings.optimizer == "muon":
        momentum, iterations = more.muon_momentum, more.muon_iterations
        return build_muon(model, groups, momentum=momentum, iterations=iterations, betas=betas, epsilon=epsilon)
    return build_schedule_free(groups, betas=betas, epsilon=epsilon)


def average_of(recipe: Recipe, model: Any, optimizer: torch.optim.Optimizer) -> Average | None:
    """Return the average of the trained weights: of the recipe, or of an optimizer that averages by itself."""
    settings = recipe.regularization
    if settings.average != "none":
        names = names_to_average(model, [parameter for parameter in model.parameters() if parameter.requires_grad])
        return WeightAverage(settings.average, names, settings.ema_decay, settings.swa_start)
    if recipe.training.optimizer == "schedule_free":
        return ComputedWeights(lambda: averaged_weights(model, optimizer))
    return None


def regularizers_of(recipe: Recipe, model: Any) -> Regularizers:
    """Return what a step does besides its loss, for a model whose modules are final.

    Raises
    ------
    UserError : the layers of the model are unknown, and `unfreeze_fraction` needs them
    """
    settings = recipe.regularization
    unfreezing = adversary = None
    if fraction := settings.unfreeze_fraction:
        layers = [list(layer.parameters()) for layer in layers_of(model, "regularization.unfreeze_fraction", fraction)]
        embeddings = [parameter for part in embeddings_of(model) for parameter in part.parameters()]
        unfreezing = GradualUnfreezing.of([*reversed(layers), embeddings], fraction)
    if settings.adversarial != "none":
        table = model.get_input_embeddings().weight
        adversary = Adversary(table, settings.adversarial_size, settings.adversarial_start)
    return Regularizers(settings.r_drop, unfreezing, adversary)


@dataclass(frozen=True)
class Costs:
    """The memory that regularization needs in addition.

    Parameters
    ----------
    passes : forward passes whose activations are kept at once
    kept : bytes for each trained parameter, in the whole run and in every checkpoint: an average
    in_step : bytes for each trained parameter, at most, in a step: saved gradients and a copy of the embedding
    """

    passes: int = 1
    kept: int = 0
    in_step: int = 0


def costs_of(recipe: Recipe) -> Costs:
    """Return the memory that the regularization of a recipe needs."""
    settings = recipe.regularization
    averages = settings.average != "none" or recipe.training.optimizer == "schedule_free"
    return Costs(
        passes=2 if settings.r_drop else 1,
        kept=FLOAT_BYTES if averages else 0,
        in_step=0 if settings.adversarial == "none" else 2 * FLOAT_BYTES,
    )
