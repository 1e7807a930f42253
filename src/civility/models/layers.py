"""The layers of an encoder and the embeddings below them: finding them, and freezing them."""

from typing import Any

from torch import nn

from civility.errors import UserError


def embeddings_of(model: Any) -> list[nn.Module]:
    """Return the modules before the first layer: the embeddings of tokens, and DeBERTa's of distances with their norm.

    All of DeBERTa's layers read the embeddings of distances.
    """
    body = model.base_model
    parts = [getattr(body, "embeddings", model.get_input_embeddings())]
    for name in ("rel_embeddings", "LayerNorm"):
        part = getattr(getattr(body, "encoder", None), name, None)
        if part is not None:
            parts.append(part)
    return parts


def layers_of(model: Any, setting: str, value: float | str, *, off: str = "0") -> nn.ModuleList:
    """Return the layers, from the lowest to the highest.

    Parameters
    ----------
    model : a sequence classifier of transformers
    setting, value : of the recipe that needs the layers, for the error
    off : the value that does not need them

    Raises
    ------
    UserError : the layers are not where encoders have them
    """
    body = model.base_model
    layers = getattr(getattr(body, "encoder", None), "layer", None)
    if not isinstance(layers, nn.ModuleList):
        raise UserError(
            "models.unknown-part",
            f"{setting} = {value}: the layers of a {type(body).__name__} are not known",
            remedy=f"set it to {off}, or choose a BERT, RoBERTa or DeBERTa",
        )
    return layers


def freeze(model: Any, *, embeddings: bool, num_layers: int) -> None:
    """Exclude parts of a model from training; call it before the optimizer is built.

    Parameters
    ----------
    model : a sequence classifier of transformers
    embeddings : freeze everything before the first layer
    num_layers : lowest layers to freeze; if any, the embeddings too, since their gradient passes through the layers

    Raises
    ------
    UserError : the model has fewer layers, or they are not where encoders have them
    """
    if embeddings or num_layers:
        for part in embeddings_of(model):
            part.requires_grad_(False)
    if not num_layers:
        return
    layers = layers_of(model, "training.freeze_layers", num_layers)
    if num_layers > len(layers):
        raise UserError(
            "models.unknown-part",
            f"training.freeze_layers = {num_layers}: the model has {len(layers)} layers",
            remedy=f"--set training.freeze_layers={len(layers)} trains the head alone",
        )
    layers[:num_layers].requires_grad_(False)
