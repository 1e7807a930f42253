"""Dropout of a loaded model: other probabilities than those of its configuration.

They are set on the modules, which all forward passes read, and not in the configuration: the configuration of a saved
classifier stays that of its model, and a run that starts from it starts with the model's own probabilities.
"""

from typing import Any

import torch
from torch import nn

from civility.errors import UserError

_OWN = -1.0
_ATTENTION = ".attention.self.dropout"


def override_dropout(model: Any, *, hidden: float, attention: float, head: float) -> None:
    """Change the dropout probabilities of a model. Each is in [0, 1), or -1 to keep the model's own.

    DeBERTa's dropout of the embeddings of distances, inside attention, follows ``hidden``, since its configuration has
    one number for both. The dropout of its pooler, 0 as published, stays.

    Parameters
    ----------
    model : a sequence classifier of transformers
    hidden : of hidden states, inside the encoder
    attention : of attention probabilities
    head : before the linear layers of the head

    Raises
    ------
    UserError : the model has no dropout in such a place
    """
    prefix, pooler = f"{model.base_model_prefix}.", "pooler.dropout"
    places: dict[str, list[nn.Dropout]] = {"dropout": [], "attention_dropout": [], "head_dropout": []}
    for name, module in model.named_modules():
        if not isinstance(module, nn.Dropout) or name == pooler:
            continue
        inside = name.startswith(prefix)
        places["attention_dropout" if name.endswith(_ATTENTION) else "dropout" if inside else "head_dropout"].append(
            module
        )
    for setting, share in (("dropout", hidden), ("attention_dropout", attention), ("head_dropout", head)):
        if share == _OWN:
            continue
        if not places[setting]:
            raise UserError(
                "models.unknown-part",
                f"regularization.{setting} = {share}: civility does not know where a {type(model).__name__} has it",
                remedy="set it to -1, or choose a BERT, RoBERTa or DeBERTa",
            )
        for module in places[setting]:
            module.p = share


def has_dropout(model: torch.nn.Module) -> bool:
    """Whether a model has dropout, so that two passes over the same texts differ in training."""
    return any(module.p > 0 for module in model.modules() if isinstance(module, nn.Dropout))
