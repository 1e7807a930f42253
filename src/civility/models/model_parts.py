"""The parts of an encoder below its head: its embeddings and its layers."""

from typing import Any

from torch import nn

from civility.errors import UserError


def embeddings_of(model: Any) -> list[nn.Module]:
    """Return all that comes before the first layer: of tokens, and of DeBERTa's distances with their norm.

    The latter are read by all layers.
    """
    body = model.base_model
    parts = [getattr(body, "embeddings", model.get_input_embeddings())]
    for name in ("rel_embeddings", "LayerNorm"):
        part = getattr(getattr(body, "encoder", None), name, None)
        if part is not None:
            parts.append(part)
    return parts


def layers_of(model: Any, setting: str, value: float | str, *, off: str = "0") -> nn.ModuleList:
    """Return the layers, the lowest first.

    Parameters
    ----------
    setting, value : of the recipe, for which they are needed: for the error
    off : the value for which they are not needed

    Raises
    ------
    UserError : they are not where encoders have them
    """
    body = model.base_model
    layers = getattr(getattr(body, "encoder", None), "layer", None)
    if not isinstance(layers, nn.ModuleList):
        raise UserError(
            "models.todo",
            f"{setting} = {value}: the layers of a {type(body).__name__} are not known",
            remedy=f"set it to {off}, or choose a BERT, RoBERTa or DeBERTa",
        )
    return layers
