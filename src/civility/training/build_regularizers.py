"""The regularizers of a recipe, made from ``[regularization]``, and the memory that they need."""

from dataclasses import dataclass
from typing import Any

from civility.engine.regularizers import Adversary, GradualUnfreezing, Regularizers
from civility.engine.weight_averaging import WeightAverage, names_to_average
from civility.errors import UserError
from civility.models.dropout import override_dropout
from civility.models.layers import embeddings_of, layers_of
from civility.recipe import Recipe

_NUMBER = 4
"""Bytes of a float32."""


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
        kept=_NUMBER if averages else 0,
        in_step=0 if settings.adversarial == "none" else 2 * _NUMBER,
    )


def refuse_regularizer_conflicts(recipe: Recipe) -> None:
    """Raise a UserError for settings that conflict, before anything is loaded."""
    settings, training = recipe.regularization, recipe.training
    if settings.average != "none" and training.optimizer == "schedule_free":
        raise UserError(
            "training.conflicting-settings",
            f'regularization.average = "{settings.average}" with training.optimizer = '
            '"schedule_free": the optimizer averages by itself, and its average is what is '
            "validated",
            remedy='set regularization.average to "none", or choose another optimizer',
        )
    if settings.adversarial == "fgm" and (training.freeze_embeddings or training.freeze_layers):
        raise UserError(
            "training.conflicting-settings",
            'regularization.adversarial = "fgm" moves the token embedding, which is frozen '
            "(training.freeze_embeddings or training.freeze_layers)",
            remedy='set regularization.adversarial to "none", or train the embeddings',
        )


def change_model(recipe: Recipe, model: Any) -> None:
    """Set the dropout of a model that has just been loaded.

    Raises
    ------
    UserError : the model has no such dropout
    """
    settings = recipe.regularization
    override_dropout(model, hidden=settings.dropout, attention=settings.attention_dropout, head=settings.head_dropout)


def regularizers_of(recipe: Recipe, model: Any) -> Regularizers:
    """Return what a step does besides its loss, for a model whose modules are final.

    Raises
    ------
    UserError : the layers of the model are unknown, and `unfreeze_fraction` needs them
    """
    return Regularizers(recipe.regularization.r_drop, _unfreezing(recipe, model), _adversary(recipe, model))


def _unfreezing(recipe: Recipe, model: Any) -> GradualUnfreezing | None:
    fraction = recipe.regularization.unfreeze_fraction
    if not fraction:
        return None
    layers = [list(layer.parameters()) for layer in layers_of(model, "regularization.unfreeze_fraction", fraction)]
    embeddings = [parameter for part in embeddings_of(model) for parameter in part.parameters()]
    return GradualUnfreezing.of([*reversed(layers), embeddings], fraction)


def _adversary(recipe: Recipe, model: Any) -> Adversary | None:
    settings = recipe.regularization
    if settings.adversarial == "none":
        return None
    table = model.get_input_embeddings().weight
    return Adversary(table, settings.adversarial_size, settings.adversarial_start)


def average_of(recipe: Recipe, model: Any) -> WeightAverage | None:
    """Return the average of the trained weights that a recipe asks for; None if it asks for none."""
    settings = recipe.regularization
    if settings.average == "none":
        return None
    names = names_to_average(model, [parameter for parameter in model.parameters() if parameter.requires_grad])
    return WeightAverage(settings.average, names, settings.ema_decay, settings.swa_start)
