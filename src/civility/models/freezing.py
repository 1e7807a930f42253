"""Leaving parts of a model as they are: the embeddings, or the lowest layers."""

from typing import Any

from torch import nn

from civility.errors import UserError
from civility.models.model_parts import embeddings_of, layers_of


def freeze(model: Any, *, embeddings: bool, num_layers: int) -> None:
    """Take parts of a model out of training; before an optimiser is built.

    Parameters
    ----------
    model : a sequence classifier of transformers
    embeddings : all that comes before the first layer, of tokens and of distances
    num_layers : lowest layers; with any of them the embeddings too, whose gradient would have to pass through them

    Raises
    ------
    UserError : the model has not so many layers, or they are not where encoders have them
    """
    if embeddings or num_layers:
        for part in embeddings_of(model):
            _freeze(part)
    if not num_layers:
        return
    layers = layers_of(model, "training.freeze_layers", num_layers)
    if num_layers > len(layers):
        raise UserError(
            "models.todo",
            f"training.freeze_layers = {num_layers}: the model has {len(layers)} layers",
            remedy=f"--set training.freeze_layers={len(layers)} trains the head alone",
        )
    for layer in layers[:num_layers]:
        _freeze(layer)


def _freeze(module: nn.Module) -> None:
    for parameter in module.parameters():
        parameter.requires_grad_(False)
