"""The optimizer of a recipe, made from ``[training]`` and ``[optimizer]``, and settings that conflict with it."""

import importlib.util
from typing import Any

import torch

from civility.engine.muon import build_muon
from civility.engine.optimizer import averaged_weights, build_adafactor, build_adamw, build_schedule_free
from civility.engine.parameter_groups import parameter_groups
from civility.engine.weight_averaging import Average, ComputedWeights
from civility.errors import UserError
from civility.recipe import Recipe

_WHOLE = {
    "adafactor": "Adafactor measures the matrix as a whole",
    "schedule_free": "schedule-free AdamW averages every row",
}


def refuse_optimizer_conflicts(recipe: Recipe) -> None:
    """Raise a UserError for settings that conflict, before anything is loaded."""
    settings = recipe.training
    if settings.optimizer == "schedule_free" and settings.schedule != "constant":
        raise UserError(
            "training.conflicting-settings",
            f'training.optimizer = "schedule_free" with training.schedule = "{settings.schedule}'
            '": it averages weights in place of a decay of the learning rate',
            remedy='--set training.schedule=constant, with a warm-up; or choose "adamw"',
        )
    if settings.optimizer == "schedule_free" and recipe.regularization.unfreeze_fraction:
        # Its correction of the mean of squared gradients counts the steps of a group, not of a parameter: what is
        # unfrozen at step k would take steps up to sqrt((1 - beta2 ** k) / (1 - beta2)) times too large.
        raise UserError(
            "training.conflicting-settings",
            'training.optimizer = "schedule_free" with regularization.unfreeze_fraction = '
            f"{recipe.regularization.unfreeze_fraction}: layers that are unfrozen later "
            "would take steps many times too large",
            remedy="--set regularization.unfreeze_fraction=0, or choose another optimizer",
        )
    if settings.optimizer == "schedule_free" and not settings.adam_beta1:
        raise UserError(
            "training.conflicting-settings",
            'training.optimizer = "schedule_free" with training.adam_beta1 = 0: its average would have no weight',
            remedy="--set training.adam_beta1=0.9",
        )
    if settings.optimizer == "schedule_free" and importlib.util.find_spec("schedulefree") is None:
        raise UserError(
            "training.missing-package",
            'training.optimizer = "schedule_free" needs the package schedulefree, which is not installed',
            remedy="pip install 'civility[train]'",
        )


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
        return build_muon(
            model,
            groups,
            momentum=more.muon_momentum,
            iterations=more.muon_iterations,
            betas=betas,
            epsilon=epsilon,
        )
    return build_schedule_free(groups, betas=betas, epsilon=epsilon)


def average_of_optimizer(recipe: Recipe, model: Any, optimizer: torch.optim.Optimizer) -> Average | None:
    """Return the weights that an optimizer averages by itself; None if it does not average."""
    if recipe.training.optimizer != "schedule_free":
        return None
    return ComputedWeights(lambda: averaged_weights(model, optimizer))
